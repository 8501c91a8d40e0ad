/* SPDX-License-Identifier: MIT */
/*
 * A program that is busy, to which things happen. Each word is done in its turn:
 *
 *	NUMBER          so many callbacks of timers; of the thread pool's a few
 *	forever         callbacks until somebody ends it
 *	threads=NUMBER  so many threads, each with a loop that is busy until the end
 *	short=NUMBER    so many threads, one after the other, each with a callback
 *	sh=COMMAND      a shell, without the shim
 *	fsize=NUMBER    no file may be longer, and SIGXFSZ is as it was
 *	chdir=PATH, chroot=PATH, nobody (as whom it goes on), close (all descriptors but the first
 *	three), stop (until somebody lets it go on), kill (by itself), _exit
 *	fork            the child does the other words, then the parent
 *	vfork, daemon, exec (itself, with the other words)
 */
#include "program.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define THREADS_MAX 64

struct load {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_work_t work;
	bool working;
	unsigned long left; /* callbacks */
};

static struct load main_load;
static bool main_is_open;
static struct load thread_loads[THREADS_MAX];
static uv_thread_t threads[THREADS_MAX];
static unsigned long thread_count;
static volatile bool over;

static void on_work(uv_work_t *work)
{
	(void) work;
}

static void on_worked(uv_work_t *work, int status)
{
	struct load *load = work->data;

	(void) status;
	load->working = false;
}

static void on_timer(uv_timer_t *timer)
{
	struct load *load = timer->data;

	if (--load->left == 0 || over)
		return;
	if (load->left % 64 == 0 && !load->working) {
		load->working = true;
		load->work.data = load;
		CHECK_OK(uv_queue_work(&load->loop, &load->work, on_work, on_worked));
	}
	CHECK_OK(uv_timer_start(timer, on_timer, 0, 0));
}

static void open_load(struct load *load)
{
	CHECK_OK(uv_loop_init(&load->loop));
	CHECK_OK(uv_timer_init(&load->loop, &load->timer));
	load->timer.data = load;
}

static void run_load(struct load *load, unsigned long callbacks)
{
	load->left = callbacks;
	CHECK_OK(uv_timer_start(&load->timer, on_timer, 0, 0));
	CHECK_OK(uv_run(&load->loop, UV_RUN_DEFAULT));
}

static void close_load(struct load *load)
{
	uv_close((uv_handle_t *) &load->timer, NULL);
	CHECK_OK(uv_run(&load->loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&load->loop));
}

static void be_busy(unsigned long callbacks)
{
	if (!main_is_open)
		open_load(&main_load);
	main_is_open = true;
	run_load(&main_load, callbacks);
	printf("%lu callbacks\n", callbacks);
}

static void enter_thread(void *arg)
{
	struct load *load = arg;

	open_load(load);
	run_load(load, ULONG_MAX);
	close_load(load);
}

static void enter_short_thread(void *arg)
{
	open_load(arg);
	run_load(arg, 1);
	close_load(arg);
}

static void start_threads(unsigned long count)
{
	CHECK(thread_count + count <= THREADS_MAX);
	for (unsigned long i = 0; i < count; i++, thread_count++)
		CHECK_OK(uv_thread_create(&threads[thread_count], enter_thread,
					  &thread_loads[thread_count]));
}

static void start_short_threads(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		static struct load load;
		uv_thread_t thread;

		CHECK_OK(uv_thread_create(&thread, enter_short_thread, &load));
		CHECK_OK(uv_thread_join(&thread));
	}
	printf("%lu threads\n", count);
}

static void wait_for(pid_t child)
{
	int status;

	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(status == 0);
}

static void run_shell(char *command)
{
	char *argv[] = {"sh", "-c", command, NULL};
	char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	pid_t child;

	CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environment) == 0);
	wait_for(child);
}

static void limit_files(unsigned long bytes)
{
	const struct rlimit limit = {bytes, bytes};

	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void become_nobody(void)
{
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setgid(65534) == 0);
	CHECK(setuid(65534) == 0);
}

static void fork_vainly(void)
{
	pid_t child = vfork();

	if (child == 0)
		_exit(0);
	wait_for(child);
}

/* True in the parent, whose child has done the other words. */
static bool fork_child(void)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		if (main_is_open)
			CHECK_OK(uv_loop_fork(&main_load.loop));
		return false;
	}
	wait_for(child);
	return true;
}

static const char *value_of(const char *word, const char *name)
{
	size_t bytes = strlen(name);

	return strncmp(word, name, bytes) == 0 && word[bytes] == '=' ? word + bytes + 1 : NULL;
}

static bool do_with_value(char *word)
{
	const char *value;

	if ((value = value_of(word, "threads")) != NULL)
		start_threads(strtoul(value, NULL, 10));
	else if ((value = value_of(word, "short")) != NULL)
		start_short_threads(strtoul(value, NULL, 10));
	else if ((value = value_of(word, "sh")) != NULL)
		run_shell(word + strlen("sh="));
	else if ((value = value_of(word, "fsize")) != NULL)
		limit_files(strtoul(value, NULL, 10));
	else if ((value = value_of(word, "chdir")) != NULL)
		CHECK(chdir(value) == 0);
	else if ((value = value_of(word, "chroot")) != NULL)
		CHECK(chroot(value) == 0 && chdir("/") == 0);
	else
		return false;
	return true;
}

static bool is(const char *word, const char *name)
{
	return strcmp(word, name) == 0;
}

static void do_word(char **argv, char *word)
{
	if (word[0] >= '0' && word[0] <= '9')
		be_busy(strtoul(word, NULL, 10));
	else if (is(word, "forever"))
		be_busy(ULONG_MAX);
	else if (is(word, "nobody"))
		become_nobody();
	else if (is(word, "close"))
		CHECK(syscall(SYS_close_range, 3, ~0U, 0) == 0);
	else if (is(word, "stop"))
		CHECK(raise(SIGSTOP) == 0);
	else if (is(word, "kill"))
		raise(SIGKILL);
	else if (is(word, "_exit"))
		_exit(0);
	else if (is(word, "vfork"))
		fork_vainly();
	else if (is(word, "daemon"))
		CHECK(daemon(1, 1) == 0);
	else if (is(word, "fork"))
		printf("%s\n", fork_child() ? "parent" : "child");
	else if (is(word, "exec"))
		CHECK(execv("/proc/self/exe", argv) == 0);
	else
		CHECK(do_with_value(word));
}

int main(int argc, char **argv)
{
	static char *few[] = {"busy", "1000", NULL};

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (argc < 2)
		argv = few;
	for (char **word = argv + 1; *word != NULL; word++) {
		/* What is executed begins behind this word. */
		char *now = *word;

		*word = argv[0];
		do_word(word, now);
	}
	over = true;
	for (unsigned long i = 0; i < thread_count; i++)
		CHECK_OK(uv_thread_join(&threads[i]));
	if (main_is_open)
		close_load(&main_load);
	return 0;
}
