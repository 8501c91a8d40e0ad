/* SPDX-License-Identifier: MIT */
#include "loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A parent may have left SIGCHLD ignored: then a child leaves no status to wait for. The program
 * that `run` starts must find it as it was.
 */
static void wait_begin(struct sigaction *old)
{
	struct sigaction usual = {.sa_handler = SIG_DFL};

	sigaction(SIGCHLD, &usual, old);
}

static int wait_end(pid_t pid, const struct sigaction *old)
{
	int status;
	pid_t found;

	do
		found = waitpid(pid, &status, 0);
	while (found < 0 && errno == EINTR);
	sigaction(SIGCHLD, old, NULL);
	return found == pid ? status : -1;
}

int uvh_in_child(int (*work)(const void *argument, char *text), const void *argument,
		 char text[UVH_TEXT_BYTES])
{
	struct sigaction old;
	char *shared;
	pid_t pid;
	int status;

	/* Behind the text: has it come back? */
	shared = mmap(NULL, UVH_TEXT_BYTES + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED) {
		snprintf(text, UVH_TEXT_BYTES, "no memory: %s", strerror(errno));
		return -1;
	}
	wait_begin(&old);
	pid = fork();
	if (pid == 0) {
		status = work(argument, shared);
		shared[UVH_TEXT_BYTES] = 1;
		_exit(status);
	}
	if (pid < 0) {
		snprintf(text, UVH_TEXT_BYTES, "cannot fork: %s", strerror(errno));
		sigaction(SIGCHLD, &old, NULL);
		munmap(shared, UVH_TEXT_BYTES + 1);
		return -1;
	}
	status = wait_end(pid, &old);
	shared[UVH_TEXT_BYTES - 1] = '\0';
	if (status != -1 && WIFEXITED(status) && shared[UVH_TEXT_BYTES] == 0) {
		snprintf(text, UVH_TEXT_BYTES, "it ended the process with status %d",
			 WEXITSTATUS(status));
		status = -1;
	} else if (status != -1 && WIFEXITED(status)) {
		memcpy(text, shared, UVH_TEXT_BYTES);
		status = WEXITSTATUS(status);
	} else {
		snprintf(text, UVH_TEXT_BYTES, "it crashed: %s",
			 status != -1 && WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
							     : "no status");
		status = -1;
	}
	munmap(shared, UVH_TEXT_BYTES + 1);
	return status;
}

/*
 * A file says itself which loader it wants, so to ask that loader is to run what the file says.
 * Only a loader that no one but root can have put there is run, and the one that this command has
 * itself.
 */
static bool is_trusted(const char *loader)
{
	struct stat facts;
	Dl_info own;

	if (dladdr((void *) getauxval(AT_BASE), &own) != 0 && strcmp(own.dli_fname, loader) == 0)
		return true;
	return stat(loader, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_uid == 0 &&
	       (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static void add_path(struct uvh_libraries *libraries, const char *path)
{
	char **larger = realloc(libraries->paths, (libraries->count + 1) * sizeof *larger);

	if (larger == NULL)
		return;
	libraries->paths = larger;
	larger[libraries->count] = strdup(path);
	if (larger[libraries->count] != NULL)
		libraries->count++;
}

/*
 * "\tlibuv.so.1 => /lib/libuv.so.1 (0x00007f...)", "\t/lib/x.so (0x...)"; a name without a path is
 * the kernel's vdso. "FILE: error while loading shared libraries: REASON".
 */
static void read_line(struct uvh_libraries *libraries, char *line)
{
	static const char failed[] = "error while loading shared libraries: ";
	char *arrow = strstr(line, " => ");
	char *path = arrow != NULL ? arrow + 4 : line + strspn(line, " \t");
	char *address = strstr(path, " (0x");

	if (address != NULL && path[0] == '/') {
		*address = '\0';
		add_path(libraries, path);
	} else if (address == NULL) {
		char *reason = strstr(line, failed);

		line[strcspn(line, "\n")] = '\0';
		snprintf(libraries->error, sizeof libraries->error, "%s",
			 reason != NULL ? reason + strlen(failed) : line);
	}
}

/*
 * The loader's own --list is asked, instead of following DT_NEEDED, RUNPATH, LD_LIBRARY_PATH and
 * the cache here: so the answer is the loader's, with all its rules, and it maps the files but runs
 * nothing of them. (LD_WARN and its like would make it relocate, which may call into them.)
 */
int uvh_libraries_read(const char *loader, const char *path, struct uvh_libraries *libraries)
{
	struct sigaction old;
	char file[PATH_MAX];
	char *line = NULL;
	size_t bytes = 0;
	int ends[2];
	FILE *stream;
	pid_t pid;
	int status;

	*libraries = (struct uvh_libraries){0};
	if (!is_trusted(loader))
		return -EPERM;
	/* $ORIGIN is where the file is, not where a link to it is. */
	if (realpath(path, file) == NULL)
		return -errno;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	stream = fdopen(ends[0], "r");
	if (stream == NULL) {
		close(ends[0]);
		close(ends[1]);
		return -ENOMEM;
	}
	wait_begin(&old);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		unsetenv("LD_WARN");
		unsetenv("LD_DEBUG");
		unsetenv("LD_BIND_NOW");
		unsetenv("LD_VERBOSE");
		execl(loader, loader, "--list", file, (char *) NULL);
		_exit(127);
	}
	status = -errno;
	close(ends[1]);
	while (pid > 0 && getline(&line, &bytes, stream) > 0)
		read_line(libraries, line);
	free(line);
	fclose(stream);
	if (pid < 0) {
		sigaction(SIGCHLD, &old, NULL);
		return status;
	}
	status = wait_end(pid, &old);
	return status == 0 ? 0 : -EINVAL;
}

void uvh_libraries_free(struct uvh_libraries *libraries)
{
	for (size_t i = 0; i < libraries->count; i++)
		free(libraries->paths[i]);
	free(libraries->paths);
	*libraries = (struct uvh_libraries){0};
}

/* In the child. Writes "VERSION PATH", or the reason. */
static int ask_libuv(const void *argument, char *text)
{
	void *library = dlopen(argument, RTLD_LAZY | RTLD_LOCAL);
	const char *(*version)(void);
	struct link_map *map;

	if (library == NULL) {
		snprintf(text, UVH_TEXT_BYTES, "%s", dlerror());
		return 1;
	}
	*(void **) &version = dlsym(library, "uv_version_string");
	if (version == NULL || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) {
		snprintf(text, UVH_TEXT_BYTES, "it has no uv_version_string");
		return 1;
	}
	snprintf(text, UVH_TEXT_BYTES, "%s %s", version(), map->l_name);
	return 0;
}

int uvh_libuv_read(const char *name, struct uvh_libuv *libuv, char text[UVH_TEXT_BYTES])
{
	char *space;

	*libuv = (struct uvh_libuv){0};
	if (uvh_in_child(ask_libuv, name, text) != 0)
		return -1;
	space = strchr(text, ' ');
	if (space == NULL)
		return -1;
	*space = '\0';
	snprintf(libuv->version, sizeof libuv->version, "%s", text);
	snprintf(libuv->path, sizeof libuv->path, "%s", space + 1);
	return 0;
}
