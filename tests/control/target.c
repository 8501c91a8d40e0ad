/* SPDX-License-Identifier: MIT */
/*
 * A program to look into. Each word is done in its turn; one that waits does so until a line comes
 * on stdin, or its end, and says that it is there by "ready PID" on stdout before.
 *
 *	idle      waits in a loop, with a timer of an hour
 *	busy      waits in a loop that never sleeps
 *	stuck     waits in the callback of a timer, on_stuck
 *	toplevel  waits after the loop has ended
 *	bare      waits before any call of libuv
 *	ends      a loop that ends by itself as soon as a line came, which a thread waits for
 *	ticks     counts a hundred callbacks of timers and writes how many
 *	loops     waits while forty threads sleep in a loop each
 *	fork      the child does the other words; then the parent
 *	vfork     the parent is in vfork() while the child, which has its memory, waits
 *	named     makes a resource of a type of its own, "my type"
 *	nobody    goes on as nobody
 *	chroot=DIR
 */
#include "../programs/program.h"

#include <grp.h>
#include <pthread.h>
#include <sys/wait.h>
#include <uvhooks/async_resource.h>

static uv_timer_t timer;
static uv_idle_t idler;
static uv_poll_t input;
static uv_async_t async;

static void say_ready(void)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "ready %d\n", (int) getpid());

	CHECK(write(STDOUT_FILENO, text, (size_t) length) == length);
}

static void read_line(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		;
}

static void never(uv_timer_t *handle)
{
	(void) handle;
}

static void on_idle(uv_idle_t *handle)
{
	(void) handle;
}

static void on_input(uv_poll_t *handle, int status, int events)
{
	(void) status;
	(void) events;
	read_line();
	uv_close((uv_handle_t *) handle, NULL);
	uv_close((uv_handle_t *) &timer, NULL);
	if (uv_is_active((uv_handle_t *) &idler))
		uv_close((uv_handle_t *) &idler, NULL);
}

/* The loop has turned once when it is called. */
static void on_ready(uv_timer_t *handle)
{
	CHECK_OK(uv_timer_start(handle, never, 3600000, 0));
	say_ready();
}

static void wait_in_loop(int busy)
{
	uv_loop_t *loop = uv_default_loop();

	memset(&idler, 0, sizeof(idler));
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_ready, 0, 0));
	CHECK_OK(uv_poll_init(loop, &input, STDIN_FILENO));
	CHECK_OK(uv_poll_start(&input, UV_READABLE, on_input));
	if (busy) {
		CHECK_OK(uv_idle_init(loop, &idler));
		CHECK_OK(uv_idle_start(&idler, on_idle));
	}
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("loop ended, alive: %d\n", uv_loop_alive(loop));
}

static void on_stuck(uv_timer_t *handle)
{
	say_ready();
	read_line();
	uv_close((uv_handle_t *) handle, NULL);
}

static void be_stuck(void)
{
	uv_loop_t *loop = uv_default_loop();

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_stuck, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

static void run_once(uv_timer_t *handle)
{
	uv_close((uv_handle_t *) handle, NULL);
}

static void wait_at_top(void)
{
	CHECK_OK(uv_timer_init(uv_default_loop(), &timer));
	CHECK_OK(uv_timer_start(&timer, run_once, 0, 0));
	CHECK_OK(uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	say_ready();
	read_line();
}

static void *wait_for_line(void *data)
{
	(void) data;
	read_line();
	CHECK_OK(uv_async_send(&async));
	return NULL;
}

static void on_async(uv_async_t *handle)
{
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_first_turn(uv_timer_t *handle)
{
	say_ready();
	uv_close((uv_handle_t *) handle, NULL);
}

static void end_by_itself(void)
{
	uv_loop_t loop;
	pthread_t thread;

	CHECK_OK(uv_loop_init(&loop));
	CHECK_OK(uv_async_init(&loop, &async, on_async));
	CHECK_OK(uv_timer_init(&loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_first_turn, 0, 0));
	CHECK(pthread_create(&thread, NULL, wait_for_line, NULL) == 0);
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK(pthread_join(thread, NULL) == 0);
	printf("loop ended, alive: %d\n", uv_loop_alive(&loop));
	CHECK_OK(uv_loop_close(&loop));
	printf("loop closed\n");
}

static int ticks;

static void on_tick(uv_timer_t *handle)
{
	if (++ticks == 100)
		uv_close((uv_handle_t *) handle, NULL);
	else if (ticks == 50)
		say_ready();
}

static void tick(void)
{
	CHECK_OK(uv_timer_init(uv_default_loop(), &timer));
	CHECK_OK(uv_timer_start(&timer, on_tick, 0, 1));
	CHECK_OK(uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	printf("%d ticks\n", ticks);
}

#define LOOPS 40

static struct {
	uv_loop_t loop;
	uv_async_t async;
	uv_timer_t timer;
	uv_thread_t thread;
} loops[LOOPS];

static int turned;

static void on_loop_turned(uv_timer_t *handle)
{
	uv_close((uv_handle_t *) handle, NULL);
	if (__atomic_add_fetch(&turned, 1, __ATOMIC_RELAXED) == LOOPS)
		say_ready();
}

static void run_loop(void *data)
{
	uv_loop_t *loop = data;

	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(loop));
}

static void run_loops(void)
{
	for (size_t i = 0; i < LOOPS; i++) {
		CHECK_OK(uv_loop_init(&loops[i].loop));
		CHECK_OK(uv_async_init(&loops[i].loop, &loops[i].async, on_async));
		CHECK_OK(uv_timer_init(&loops[i].loop, &loops[i].timer));
		CHECK_OK(uv_timer_start(&loops[i].timer, on_loop_turned, 0, 0));
		CHECK_OK(uv_thread_create(&loops[i].thread, run_loop, &loops[i].loop));
	}
	read_line();
	for (size_t i = 0; i < LOOPS; i++)
		CHECK_OK(uv_async_send(&loops[i].async));
	for (size_t i = 0; i < LOOPS; i++)
		CHECK_OK(uv_thread_join(&loops[i].thread));
	printf("%d loops have ended\n", LOOPS);
}

/* True in the child; the parent goes on when that has ended. */
static int fork_child(void)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		/* The loop of the parent, if there is one, is not the child's to use. */
		return 1;
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}

static void share_memory(void)
{
	pid_t child = vfork();
	int status;

	if (child == 0) {
		say_ready();
		read_line();
		_exit(0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void become_nobody(void)
{
	CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
}

static void make_named(void)
{
	static struct uvhooks_async_resource resource;

	CHECK_OK(uvhooks_async_resource_create(&resource, "my type", NULL));
}

static void do_word(const char *word)
{
	if (strcmp(word, "idle") == 0)
		wait_in_loop(0);
	else if (strcmp(word, "busy") == 0)
		wait_in_loop(1);
	else if (strcmp(word, "stuck") == 0)
		be_stuck();
	else if (strcmp(word, "toplevel") == 0)
		wait_at_top();
	else if (strcmp(word, "bare") == 0)
		say_ready(), read_line();
	else if (strcmp(word, "ends") == 0)
		end_by_itself();
	else if (strcmp(word, "ticks") == 0)
		tick();
	else if (strcmp(word, "loops") == 0)
		run_loops();
	else if (strcmp(word, "vfork") == 0)
		share_memory();
	else if (strcmp(word, "named") == 0)
		make_named();
	else if (strcmp(word, "nobody") == 0)
		become_nobody();
	else if (strncmp(word, "chroot=", 7) == 0)
		CHECK(chroot(word + 7) == 0 && chdir("/") == 0);
	else
		CHECK(!"a word that is known");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "fork") != 0)
			do_word(argv[i]);
		else if (!fork_child())
			printf("the child has ended\n");
	return 0;
}
