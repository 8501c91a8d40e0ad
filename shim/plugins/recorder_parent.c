/* SPDX-License-Identifier: MIT */
/*
 * Who has started this program. A process id alone may come again, so the first line of `.buffers`
 * says when the process was started, too, and a folder counts only if that is still so.
 *
 * No file of the standard library and no malloc, and never more work than there is time for.
 */
#include "recorder.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* Where a trace has more folders, a parent may not be found. */
#define READS_MAX  256  /* of the folder of the trace: some 100,000 names */
#define LOOKED_MAX 1024 /* into folders of this process id */

char recorder_parent[RECORDER_NAME_BYTES * 2];

static size_t read_file(int directory, const char *path, char *text, size_t room)
{
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	ssize_t bytes = fd < 0 ? 0 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[bytes > 0 ? bytes : 0] = '\0';
	return strlen(text);
}

/* "PID START\n", START being field 22 of /proc/PID/stat; "": it cannot be read. */
static void identify(struct log_line *line, pid_t pid)
{
	struct log_line path = {.used = 0};
	char text[1024];
	char *at;

	log_line_text(&path, "/proc/");
	log_line_number(&path, (uint64_t) pid);
	log_line_text(&path, "/stat");
	path.text[path.used] = '\0';
	read_file(AT_FDCWD, path.text, text, sizeof(text));
	at = strrchr(text, ')'); /* field 2, which may hold anything */
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	line->used = 0;
	log_line_number(line, (uint64_t) pid);
	log_line_text(line, " ");
	if (at != NULL) {
		at[1 + strspn(at + 1, "0123456789")] = '\0';
		log_line_text(line, at + 1);
	}
	log_line_end(line);
}

void recorder_announce(void)
{
	static char path[PATH_MAX];
	struct log_line line;

	identify(&line, getpid());
	if (recorder_file_path(path, ".buffers") == 0)
		recorder_file_append(path, line.text, line.used);
}

/* Is it "PROGRAM-PID" or "PROGRAM-PID-N"? A PROGRAM has no '-': see name_folder(). */
static bool is_named_for(const char *name, pid_t pid)
{
	const char *at = strchr(name, '-');
	uint64_t number = 0;

	if (at == NULL || strlen(name) >= sizeof(recorder_parent))
		return false;
	for (at++; *at >= '0' && *at <= '9' && number <= INT_MAX; at++)
		number = number * 10 + (uint64_t) (*at - '0');
	return number == (uint64_t) pid && (*at == '\0' || *at == '-');
}

/* A process that may be the parent. */
struct parent {
	pid_t pid;
	struct log_line line;  /* what its `.buffers` begins with */
	struct timespec since; /* of the newest folder found */
};

/* Is the folder one of this very process, and newer than what was found? */
static bool is_newer(int directory, const char *name, struct parent *parent)
{
	struct log_line path = {.used = 0};
	char text[64];
	struct stat status;

	log_line_text(&path, name);
	log_line_text(&path, "/.buffers");
	path.text[path.used] = '\0';
	if (read_file(directory, path.text, text, sizeof(text)) < parent->line.used ||
	    memcmp(text, parent->line.text, parent->line.used) != 0 ||
	    fstatat(directory, path.text, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    status.st_mtim.tv_sec < parent->since.tv_sec ||
	    (status.st_mtim.tv_sec == parent->since.tv_sec &&
	     status.st_mtim.tv_nsec < parent->since.tv_nsec))
		return false;
	parent->since = status.st_mtim;
	return true;
}

/* The program that the process ran before (parents[0]), or else its parent. */
static void look_at(int directory, const char *name, struct parent parents[2], unsigned int *looked)
{
	for (size_t i = 0; i < 2; i++) {
		if ((i == 1 && parents[0].since.tv_sec != 0) || *looked == LOOKED_MAX ||
		    !is_named_for(name, parents[i].pid))
			continue;
		++*looked;
		if (is_newer(directory, name, &parents[i]))
			memcpy(recorder_parent, name, strlen(name) + 1);
	}
}

void recorder_find_parent(void)
{
	static char names[32 * 1024] __attribute__((aligned(8)));
	struct parent parents[2] = {{.pid = getpid()}, {.pid = getppid()}};
	int directory = open(recorder_options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int looked = 0;
	long bytes;

	memset(recorder_parent, 0, sizeof(recorder_parent));
	if (directory < 0)
		return;
	identify(&parents[0].line, parents[0].pid);
	identify(&parents[1].line, parents[1].pid);
	for (unsigned int reads = 0; reads < READS_MAX; reads++) {
		bytes = syscall(SYS_getdents64, directory, names, sizeof(names));
		if (bytes <= 0)
			break;
		for (long at = 0; at < bytes;) {
			const struct dirent64 *entry = (const struct dirent64 *) (names + at);

			look_at(directory, entry->d_name, parents, &looked);
			at += entry->d_reclen;
		}
	}
	close(directory);
}
