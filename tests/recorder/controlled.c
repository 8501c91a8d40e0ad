/* SPDX-License-Identifier: MIT */
/*
 * A program that changes what the recorder plugin does, as somebody does who asks from outside:
 *with the options of its `configure`, between two callbacks. UVHOOKS_RECORDER is the plugin's path.
 *Each word is done in its turn, on a loop where `timers` live:
 *
 *	timers=N        so many more that will not fire for long
 *	repeating=N     the same, that will fire again
 *	kinds           a server, a timer that is not referenced, an idler that was never started
 *	turns=N         so many callbacks
 *	set=OPTIONS     what the plugin answers is printed
 *	status          what the plugin says of itself
 *	cycles=N        so many recordings, one after the other, in the folder of the latest in=DIR;
 *	                of every second one nothing is left but the first and last
 *	in=DIR
 *	threads=N       so many loops that are busy from now on, and make and close timers
 *	join            they end
 *	measure         prints how many descriptors, mappings and kilobytes there are
 *	seccomp         from now on any system call that it does not need itself kills it
 *	fork            the child does the other words, then the parent
 *	abort, kill, wait (until somebody ends it)
 */
#include "program.h"

#include <dirent.h>
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <uvhooks/plugin.h>

#define OPTIONS_MAX 16
#define THREADS_MAX 16
#define TIMERS_MAX  4096
#define CHAINS      50

static uv_loop_t loop;
static uv_timer_t timers[TIMERS_MAX];
static size_t timer_count;
static const struct uvhooks_plugin *plugin;
static const char *folder = "";
static pthread_t threads[THREADS_MAX];
static size_t thread_count;
static atomic_bool over;

static void on_timer(uv_timer_t *timer)
{
	(void) timer;
}

static void add_timers(unsigned long count, uint64_t repeat)
{
	for (; count > 0; count--) {
		uv_timer_t *timer = &timers[timer_count++];

		CHECK(timer_count <= TIMERS_MAX);
		CHECK_OK(uv_timer_init(&loop, timer));
		CHECK_OK(uv_timer_start(timer, on_timer, 1000000, repeat));
	}
}

static void on_connection(uv_stream_t *server, int status)
{
	(void) server;
	(void) status;
}

static void add_kinds(void)
{
	static struct sockaddr_in address;
	static uv_tcp_t server;
	static uv_idle_t idle;

	listen_on_loopback(&loop, &server, &address, on_connection);
	CHECK_OK(uv_idle_init(&loop, &idle));
	add_timers(1, 1000000);
	uv_unref((uv_handle_t *) &timers[timer_count - 1]);
}

/* What is done in a callback. */
static void (*deed)(const char *argument);
static const char *deed_argument;

static void on_deed(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
	deed(deed_argument);
	uv_stop(&loop);
}

static void do_in_callback(void (*what)(const char *argument), const char *argument)
{
	static uv_timer_t timer;

	deed = what;
	deed_argument = argument;
	CHECK_OK(uv_timer_init(&loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_deed, 0, 0));
	uv_run(&loop, UV_RUN_DEFAULT); /* to the end of the turn, where it is closed */
}

static void do_nothing(const char *argument)
{
	(void) argument;
}

static int configure(const char *text, char *error, size_t bytes)
{
	static char copy[4096];
	struct uvhooks_plugin_option options[OPTIONS_MAX];
	struct uvhooks_plugin_args args = {
	    .size = sizeof args, .options = options, .error = error, .error_bytes = bytes};
	char *rest;

	snprintf(copy, sizeof copy, "%s", text);
	error[0] = '\0';
	for (char *word = strtok_r(copy, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(word, '=');

		CHECK(args.count < OPTIONS_MAX);
		if (value != NULL)
			*value++ = '\0';
		options[args.count++] =
		    (struct uvhooks_plugin_option){word, value == NULL ? "" : value};
	}
	return plugin->configure(&args);
}

static void set(const char *text)
{
	char error[512];
	int result = configure(text, error, sizeof error);

	printf("set: %s\n", result == 0 ? "done" : error);
}

static void set_quietly(const char *text)
{
	char error[512];

	if (configure(text, error, sizeof error) == 0)
		return;
	fprintf(stderr, "%s: %s\n", text, error);
	_exit(1);
}

static void remove_folder(const char *path)
{
	char command[4096];

	snprintf(command, sizeof command, "rm -r '%s'", path);
	CHECK(system(command) == 0);
}

static void do_cycles(unsigned long count)
{
	char text[4096], path[2048];

	for (unsigned long i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%lu", folder, i);
		snprintf(text, sizeof text, "dir=%s%s", path, i % 3 == 0 ? ",ring=1M" : "");
		set_quietly(text);
		do_in_callback(do_nothing, NULL);
		if (i % 5 == 0) {
			snprintf(text, sizeof text, "dir=%s-snapshot,snapshot=1", path);
			set_quietly(text);
		}
		set_quietly("stop=1");
		if (i % 100 == 50)
			remove_folder(path);
	}
}

static void on_close(uv_handle_t *handle)
{
	free(handle);
}

static void on_busy(uv_timer_t *timer)
{
	uv_timer_t *next;

	if (over) {
		uv_close((uv_handle_t *) timer, on_close);
		return;
	}
	next = malloc(sizeof *next);
	CHECK(next != NULL);
	CHECK_OK(uv_timer_init(timer->loop, next));
	/* Not at once: timers that are due at once leave no time for what is closed. */
	CHECK_OK(uv_timer_start(next, on_busy, 1, 0));
	uv_close((uv_handle_t *) timer, on_close);
}

static void *be_busy(void *argument)
{
	uv_loop_t own;

	CHECK_OK(uv_loop_init(&own));
	for (int i = 0; i < CHAINS; i++) {
		uv_timer_t *timer = malloc(sizeof *timer);

		CHECK_OK(uv_timer_init(&own, timer));
		CHECK_OK(uv_timer_start(timer, on_busy, 0, 0));
	}
	CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own));
	return argument;
}

static void join(void)
{
	over = true;
	while (thread_count > 0)
		CHECK(pthread_join(threads[--thread_count], NULL) == 0);
	over = false;
}

static unsigned long count_entries(const char *path)
{
	struct dirent *entry;
	unsigned long count = 0;
	DIR *dir = opendir(path);

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static unsigned long count_mappings(unsigned long *pages)
{
	unsigned long lines = 0, size;
	FILE *file = fopen("/proc/self/maps", "re");
	int c;

	CHECK(file != NULL);
	while ((c = fgetc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	file = fopen("/proc/self/statm", "re");
	CHECK(file != NULL && fscanf(file, "%lu %lu", &size, pages) == 2);
	fclose(file);
	return lines;
}

static void measure(void)
{
	unsigned long pages, mappings = count_mappings(&pages);

	printf("%lu descriptors %lu mappings %lu kilobytes\n", count_entries("/proc/self/fd"),
	       mappings, pages * 4);
}

static void do_number(const char *word, const char *value)
{
	unsigned long number = strtoul(value, NULL, 10);

	if (strcmp(word, "timers") == 0) {
		add_timers(number, 0);
	} else if (strcmp(word, "repeating") == 0) {
		add_timers(number, 1000000);
	} else if (strcmp(word, "turns") == 0) {
		for (; number > 0; number--)
			do_in_callback(do_nothing, NULL);
	} else if (strcmp(word, "cycles") == 0) {
		do_cycles(number);
	} else {
		CHECK(strcmp(word, "threads") == 0 && thread_count + number <= THREADS_MAX);
		for (; number > 0; number--)
			CHECK(pthread_create(&threads[thread_count++], NULL, be_busy, NULL) == 0);
	}
}

static void do_fork(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		thread_count = 0;
		CHECK_OK(uv_loop_fork(&loop));
		return;
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* What turns need, and the end. */
static void forbid_system_calls(void)
{
	static const int needed[] = {SYS_read,       SYS_write, SYS_epoll_wait, SYS_epoll_pwait,
				     SYS_epoll_ctl,  SYS_brk,   SYS_mmap,       SYS_munmap,
				     SYS_exit_group, SYS_close, SYS_futex,      SYS_clock_gettime};
	struct sock_filter filter[2 * COUNT(needed) + 2];
	struct sock_fprog program = {.filter = filter};

	filter[program.len++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							      offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < COUNT(needed); i++) {
		filter[program.len++] = (struct sock_filter) BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, (unsigned int) needed[i], 0, 1);
		filter[program.len++] =
		    (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	filter[program.len++] =
	    (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void do_word(char *word)
{
	char *value = strchr(word, '=');
	char text[512];

	if (value != NULL)
		*value++ = '\0';
	if (strcmp(word, "set") == 0) {
		do_in_callback(set, value);
	} else if (strcmp(word, "in") == 0) {
		folder = value;
	} else if (strcmp(word, "status") == 0) {
		plugin->status(text, sizeof text);
		printf("status: %s\n", text);
	} else if (strcmp(word, "seccomp") == 0) {
		forbid_system_calls();
	} else if (strcmp(word, "kinds") == 0) {
		add_kinds();
	} else if (strcmp(word, "join") == 0) {
		join();
	} else if (strcmp(word, "measure") == 0) {
		measure();
	} else if (strcmp(word, "fork") == 0) {
		do_fork();
	} else if (strcmp(word, "abort") == 0) {
		abort();
	} else if (strcmp(word, "kill") == 0) {
		raise(SIGKILL);
	} else if (strcmp(word, "wait") == 0) {
		for (;;)
			pause();
	} else {
		CHECK(value != NULL);
		do_number(word, value);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	void *handle = dlopen(getenv("UVHOOKS_RECORDER"), RTLD_NOW);

	if (handle != NULL)
		plugin = dlsym(handle, "uvhooks_plugin");
	CHECK(plugin != NULL && plugin->size >= sizeof *plugin);
	CHECK_OK(uv_loop_init(&loop));
	for (int i = 1; i < argc; i++)
		do_word(argv[i]);
	return 0;
}
