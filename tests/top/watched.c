/* SPDX-License-Identifier: MIT */
/*
 * Does what the lines of its standard input say, one after the other, and answers each with "ok"
 * when that is done; "stuck" and "spin" when it has begun. The end of its input ends it.
 *
 *	timers N   makes N timers that do not fire for an hour
 *	ticks N    calls on_tick N times
 *	churn N    makes and closes N handles
 *	work N     N pieces of work for the thread pool, which wait until "free"
 *	free       ends them
 *	stat N     asks N times for a file's attributes
 *	chain      a timer that makes another one that makes a third one, which stays
 *	spin       is busy from now on, in short callbacks
 *	stuck      does not return from a callback before another line comes
 *	fork       the child does what follows, the parent waits for it
 */
#include <poll.h>
#include <sys/wait.h>
#include <time.h>

#include "../programs/program.h"

#define HOUR_MS 3600000

static uv_loop_t *loop;
static uv_poll_t input;
static uv_sem_t free_to_go;
static unsigned long left, held;

static void answer(void)
{
	CHECK(write(STDOUT_FILENO, "ok\n", 3) == 3);
}

static void *make(size_t bytes)
{
	void *memory = calloc(1, bytes);

	CHECK(memory != NULL);
	return memory;
}

static void on_late(uv_timer_t *timer)
{
	(void) timer;
	CHECK(false);
}

static void make_timers(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		uv_timer_t *timer = make(sizeof(*timer));

		CHECK_OK(uv_timer_init(loop, timer)); /* TIMERS */
		CHECK_OK(uv_timer_start(timer, on_late, HOUR_MS, 0));
	}
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
	if (left == 0)
		answer();
}

static void on_tick(uv_timer_t *timer)
{
	if (--left > 0)
		return;
	uv_close((uv_handle_t *) timer, on_closed);
}

static void tick(unsigned long count)
{
	uv_timer_t *timer = make(sizeof(*timer));

	left = count;
	CHECK_OK(uv_timer_init(loop, timer));
	CHECK_OK(uv_timer_start(timer, on_tick, 1, 1));
}

static void on_churned(uv_handle_t *handle)
{
	free(handle);
	if (--left == 0)
		answer();
}

static void churn(unsigned long count)
{
	left = count;
	for (unsigned long i = 0; i < count; i++) {
		uv_idle_t *idle = make(sizeof(*idle));

		CHECK_OK(uv_idle_init(loop, idle));
		uv_close((uv_handle_t *) idle, on_churned);
	}
}

static void crunch(uv_work_t *work)
{
	(void) work;
	uv_sem_wait(&free_to_go);
}

static void on_crunched(uv_work_t *work, int status)
{
	CHECK_OK(status);
	free(work);
	if (--held == 0)
		answer();
}

static void work(unsigned long count)
{
	held = count;
	for (unsigned long i = 0; i < count; i++)
		CHECK_OK(uv_queue_work(loop, make(sizeof(uv_work_t)), crunch, on_crunched));
	answer();
}

static void on_stat(uv_fs_t *request)
{
	CHECK_OK(request->result);
	uv_fs_req_cleanup(request);
	free(request);
	if (--left == 0)
		answer();
}

static void ask_for_files(unsigned long count)
{
	left = count;
	for (unsigned long i = 0; i < count; i++)
		CHECK_OK(uv_fs_stat(loop, make(sizeof(uv_fs_t)), "/", on_stat));
}

static void on_second(uv_timer_t *timer)
{
	(void) timer;
	make_timers(1);
	answer();
}

static void on_first(uv_timer_t *timer)
{
	uv_timer_t *second = make(sizeof(*second));

	(void) timer;
	CHECK_OK(uv_timer_init(loop, second)); /* SECOND */
	CHECK_OK(uv_timer_start(second, on_second, 0, 0));
}

static void chain(void)
{
	uv_timer_t *first = make(sizeof(*first));

	CHECK_OK(uv_timer_init(loop, first));
	CHECK_OK(uv_timer_start(first, on_first, 0, 0));
}

static void on_spin(uv_idle_t *idle)
{
	const uint64_t begin = uv_hrtime();

	(void) idle;
	while (uv_hrtime() - begin < 1000000)
		;
}

static void spin(void)
{
	uv_idle_t *idle = make(sizeof(*idle));

	CHECK_OK(uv_idle_init(loop, idle));
	CHECK_OK(uv_idle_start(idle, on_spin));
	answer();
}

/* An empty line lets it go on. */
static void on_stuck(uv_timer_t *timer)
{
	struct pollfd input_line = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	answer();
	CHECK(poll(&input_line, 1, -1) == 1);
	CHECK(read(STDIN_FILENO, &byte, 1) == 1);
	uv_close((uv_handle_t *) timer, (uv_close_cb) free);
}

static void be_stuck(void)
{
	uv_timer_t *timer = make(sizeof(*timer));

	CHECK_OK(uv_timer_init(loop, timer));
	CHECK_OK(uv_timer_start(timer, on_stuck, 0, 0));
}

static void fork_here(void)
{
	const pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child != 0) {
		CHECK(waitpid(child, &status, 0) == child);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	CHECK_OK(uv_loop_fork(loop));
	printf("%d\n", (int) getpid());
}

static void obey(char *line)
{
	const unsigned long count = strtoul(line + strcspn(line, " "), NULL, 10);
	const char *word = strtok(line, " ");

	if (strcmp(word, "timers") == 0) {
		make_timers(count);
		answer();
	} else if (strcmp(word, "ticks") == 0) {
		tick(count);
	} else if (strcmp(word, "churn") == 0) {
		churn(count);
	} else if (strcmp(word, "work") == 0) {
		work(count);
	} else if (strcmp(word, "free") == 0) {
		for (unsigned long i = 0; i < held; i++)
			uv_sem_post(&free_to_go);
	} else if (strcmp(word, "stat") == 0) {
		ask_for_files(count);
	} else if (strcmp(word, "chain") == 0) {
		chain();
	} else if (strcmp(word, "spin") == 0) {
		spin();
	} else if (strcmp(word, "stuck") == 0) {
		be_stuck();
	} else if (strcmp(word, "fork") == 0) {
		fork_here();
		answer();
	} else {
		fprintf(stderr, "'%s' is not understood\n", word);
		_exit(2);
	}
}

/* One line: what comes behind it is for the next turn, or for a callback that is stuck. */
static void on_input(uv_poll_t *poll, int status, int events)
{
	char line[64];
	size_t used = 0;

	(void) poll;
	(void) events;
	CHECK_OK(status);
	while (used + 1 < sizeof(line)) {
		ssize_t got = read(STDIN_FILENO, &line[used], 1);

		if (got <= 0)
			_exit(0);
		if (line[used] == '\n')
			break;
		used++;
	}
	line[used] = '\0';
	if (used != 0)
		obey(line);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	loop = uv_default_loop();
	CHECK_OK(uv_sem_init(&free_to_go, 0));
	CHECK_OK(uv_poll_init(loop, &input, STDIN_FILENO));
	CHECK_OK(uv_poll_start(&input, UV_READABLE, on_input));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	return 0;
}
