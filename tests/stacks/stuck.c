/* SPDX-License-Identifier: MIT */
/*
 * A callback that is stuck at a line that a comment marks; with a number of milliseconds behind the
 * scene's name, for so long, else for ever.
 */
#include "../programs/program.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#define NO_TAIL_CALL() __asm__ volatile("")
#ifdef __clang__
#define PLACE __attribute__((noinline)) /* it makes no clones */
#else
#define PLACE __attribute__((noinline, noclone))
#endif

static long milliseconds; /* 0: for ever */
static volatile unsigned long work;

static long now_ms(void)
{
	struct timespec now;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Says whether the sleep was cut short. */
PLACE static void rest(void)
{
	struct timespec time = {milliseconds == 0 ? 1000 : milliseconds / 1000,
				milliseconds % 1000 * 1000000};
	int result = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL); /* SLEEP */

	printf("slept: %d\n", result);
}

PLACE static void burn(void)
{
	long end = now_ms() + milliseconds;

	do
		for (int i = 0; i < 1000000; i++)
			work++; /* BURN */
	while (milliseconds == 0 || now_ms() < end);
}

PLACE static void wait_for_input(void)
{
	char byte;

	printf("read: %zd\n", read(0, &byte, 1)); /* READ */
}

static void on_sleep(uv_timer_t *timer)
{
	rest(); /* CALLS SLEEP */
	NO_TAIL_CALL();
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_burn(uv_timer_t *timer)
{
	burn(); /* CALLS BURN */
	NO_TAIL_CALL();
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_read(uv_timer_t *timer)
{
	wait_for_input(); /* CALLS READ */
	NO_TAIL_CALL();
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_nothing(uv_timer_t *timer)
{
	(void) timer;
}

/* The loop is in a callback of another. Only that one's time counts which runs. */
static void on_nested(uv_timer_t *timer)
{
	uv_timer_t inner;
	uv_loop_t loop;

	CHECK_OK(uv_loop_init(&loop));
	CHECK_OK(uv_timer_init(&loop, &inner));
	CHECK_OK(uv_timer_start(&inner, on_nothing, (uint64_t) milliseconds, 0));
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	uv_close((uv_handle_t *) &inner, NULL);
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&loop));
	uv_close((uv_handle_t *) timer, NULL);
}

/* In the child of a fork in a callback, which goes on in the loop. */
static void on_fork(uv_timer_t *timer)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		CHECK_OK(uv_loop_fork(timer->loop));
		CHECK_OK(uv_timer_start(timer, on_sleep, 0, 0));
		return;
	}
	CHECK(waitpid(child, NULL, 0) == child); /* WAITS */
	uv_close((uv_handle_t *) timer, NULL);
}

static void print_threads(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];

	CHECK(status != NULL);
	while (fgets(line, sizeof line, status) != NULL)
		if (strncmp(line, "Threads:", 8) == 0)
			fprintf(stderr, "%s", line);
	CHECK(fclose(status) == 0);
}

static void on_threads(uv_timer_t *timer)
{
	print_threads();
	uv_close((uv_handle_t *) timer, NULL);
}

/* The main thread ends, and no other is there but what may have come with the shim. */
static void on_end(uv_timer_t *timer)
{
	(void) timer;
	printf("ends\n");
	pthread_exit(NULL);
}

static void play_callback(uv_loop_t *loop, uv_timer_cb callback)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, callback, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(loop));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uv_timer_cb callback;
	} scenes[] = {{"sleep", on_sleep},   {"burn", on_burn}, {"read", on_read},
		      {"nested", on_nested}, {"fork", on_fork}, {"threads", on_threads},
		      {"end", on_end}};

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	CHECK(argc >= 2);
	milliseconds = argc > 2 ? atol(argv[2]) : 0;
	/* Without a loop that runs. */
	if (strcmp(argv[1], "alone") == 0) {
		CHECK(uv_default_loop() != NULL);
		print_threads();
		return 0;
	}
	for (size_t i = 0; i < COUNT(scenes); i++)
		if (strcmp(scenes[i].name, argv[1]) == 0) {
			play_callback(uv_default_loop(), scenes[i].callback);
			return 3;
		}
	return 2;
}
