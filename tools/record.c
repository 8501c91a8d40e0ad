/* SPDX-License-Identifier: MIT */
/* Running a program with the recorder in it, as its parent: what `record` and `run --why` share. */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "preload.h"

/* What is in front of a recorder: who takes stacks, and who knows of scripts. */
static int add_stacks(struct uvh_launch *launch, const char *verb,
		      const struct uvh_recording *wanted)
{
	char plugin[128];
	int used = snprintf(plugin, sizeof(plugin), "stacks");
	int status;

	if (wanted->sample != NULL)
		used += snprintf(plugin + used, sizeof(plugin) - (size_t) used, ":sample=%.32s",
				 wanted->sample);
	if (wanted->watchdog_ns != 0)
		snprintf(plugin + used, sizeof(plugin) - (size_t) used, "%cwatchdog_ms=%" PRId64,
			 wanted->sample != NULL ? ',' : ':',
			 (wanted->watchdog_ns + 999999) / 1000000);
	status = uvh_launch_add_plugin(launch, verb, plugin);
	if (status == UVH_OK)
		status = uvh_launch_add_plugin(launch, verb, "python");
	return status == UVH_OK ? uvh_launch_add_plugin(launch, verb, "lua") : status;
}

int uvh_record_add(struct uvh_launch *launch, const char *verb, const struct uvh_recording *wanted)
{
	char folder[PATH_MAX], plugin[3 * PATH_MAX];
	char *end = plugin + sprintf(plugin, "recorder:dir=");
	int status;

	if (uvh_plugins_have(launch->plugins, "recorder"))
		return uvh_bad_usage(verb, "a recorder is among the plugins already, and a process "
					   "has one: leave it out (-o of record names its folder)");
	status = wanted->stacks ? add_stacks(launch, verb, wanted) : UVH_OK;

	if (status != UVH_OK)
		return status;
	if (realpath(wanted->output, folder) == NULL) {
		uvh_say("%s: %s", wanted->output, strerror(errno));
		return UVH_USAGE;
	}
	for (const char *from = folder; *from != '\0'; from++) {
		if (strchr(":;,\\", *from) != NULL)
			*end++ = '\\';
		*end++ = *from;
	}
	*end = '\0';
	if (wanted->stacks)
		end += sprintf(end, ",details=1");
	if (wanted->ring != NULL)
		end += snprintf(end, PATH_MAX / 4, ",ring=%s", wanted->ring);
	if (wanted->max_size != NULL)
		snprintf(end, PATH_MAX / 4, ",max_size=%s", wanted->max_size);
	return uvh_launch_add_plugin(launch, verb, plugin);
}

static pid_t child;

/* What comes to us alone is meant for the program; a terminal, which is the kernel, sends to both.
 */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void) context;
	if (info->si_code != SI_KERNEL)
		kill(child, signal);
	errno = saved_errno;
}

/* Not those of job control, or that our own faults raise. */
static bool is_passed_on(int signal)
{
	static const int own[] = {SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU,
				  SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
				  SIGABRT, SIGSYS,  SIGPIPE, SIGXCPU, SIGXFSZ};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (signal == own[i])
			return false;
	return true;
}

/* It is the program that decides what a signal does, and how this ends, be our stderr read or not.
 */
static void mind_signals(void)
{
	struct sigaction pass = {.sa_sigaction = pass_on, .sa_flags = SA_RESTART | SA_SIGINFO};

	sigfillset(&pass.sa_mask);
	/* SIGKILL, SIGSTOP and those of the C library itself are refused. */
	for (int signal = 1; signal <= SIGRTMAX; signal++)
		if (is_passed_on(signal))
			sigaction(signal, &pass, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int uvh_record_run(const struct uvh_launch *launch, pid_t *pid)
{
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	struct sigaction children;
	sigset_t all, before;
	int status = UVH_FAILED << 8;

	/* The handlers must know the child before any signal can come. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	/* Where it was inherited as ignored, nobody could be waited for. */
	sigaction(SIGCHLD, &usual, &children);
	child = fork();
	if (child < 0) {
		sigaction(SIGCHLD, &children, NULL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		uvh_say("cannot start a process: %s", strerror(errno));
		return status;
	}
	if (child == 0) {
		sigaction(SIGCHLD, &children, NULL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		_exit(uvh_launch_exec(launch));
	}
	mind_signals();
	sigprocmask(SIG_SETMASK, &before, NULL);
	*pid = child;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int uvh_record_end(int status)
{
	const struct rlimit no_core = {0, 0};

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	fflush(NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}
