/* SPDX-License-Identifier: MIT */
/*
 * Folders that a process writes to. Whoever runs the process owns what is in them, and may change
 * it while we look: so what root does there is done by a child that has become that user.
 */
#include "ctl_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "command.h"
#include "loader.h"

/* What a child that was to make a folder ends with. */
enum { MADE, FAILED, NOT_EMPTY, TAKEN };

/* As the process sees it: no link leads out of its root. */
static int open_in_root(int root, const char *path, int flags)
{
	struct open_how how = {
	    .flags = (uint64_t) (flags | O_CLOEXEC | O_DIRECTORY),
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int) syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static int fail(char *text, const char *path, const char *what)
{
	snprintf(text, UVH_TEXT_BYTES, "%.700s: %s%s", path, what, strerror(errno));
	return FAILED;
}

/* Only root can become somebody else; whoever else got so far is the process's user. */
static bool become(const struct uvh_process_facts *facts)
{
	return geteuid() != 0 || facts->user == 0 ||
	       (setgroups(facts->group_count, facts->groups) == 0 &&
		setresgid(facts->main_group, facts->main_group, facts->main_group) == 0 &&
		setresuid(facts->user, facts->user, facts->user) == 0);
}

static bool is_empty(int fd)
{
	DIR *folder = fdopendir(fd);
	const struct dirent *entry;
	bool empty = folder != NULL;

	while (empty && (entry = readdir(folder)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (folder != NULL)
		closedir(folder);
	else
		close(fd);
	return empty;
}

static int take_existing(const struct uvh_folder *folder, char *text)
{
	int fd = open_in_root(folder->root, folder->seen, O_RDONLY);

	if (fd < 0)
		return fail(text, folder->seen, "");
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
		close(fd);
		return fail(text, folder->seen, "the process's user cannot write to it: ");
	}
	if (is_empty(fd))
		return TAKEN;
	snprintf(text, UVH_TEXT_BYTES,
		 "%.700s is there, and is no empty folder; name another one, or remove it",
		 folder->seen);
	return NOT_EMPTY;
}

/* Cuts the path into the parent, which is opened, and the name. */
static int open_parent(const struct uvh_folder *folder, char parent[PATH_MAX], char **name)
{
	memcpy(parent, folder->seen, PATH_MAX);
	*name = strrchr(parent, '/');
	*(*name)++ = '\0';
	return open_in_root(folder->root, parent[0] == '\0' ? "/" : parent, O_PATH);
}

/* In a child. */
static int make(const void *argument, char *text)
{
	const struct uvh_folder *folder = argument;
	char parent[PATH_MAX];
	char *name;
	int fd;

	if (!become(&folder->owner))
		return fail(text, folder->seen, "the rights of the process's user: ");
	fd = open_parent(folder, parent, &name);
	if (fd < 0)
		return fail(text, parent, "");
	if (mkdirat(fd, name, 0700) == 0)
		return MADE;
	if (errno == EEXIST)
		return take_existing(folder, text);
	return fail(text, folder->seen, "");
}

static void remove_entries(int fd)
{
	DIR *folder = fdopendir(fd);
	const struct dirent *entry;

	if (folder == NULL) {
		close(fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL) {
		int inner;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner >= 0)
			remove_entries(inner);
		unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	closedir(folder);
}

/* In a child. */
static int remove_all(const void *argument, char *text)
{
	const struct uvh_folder *folder = argument;
	char parent[PATH_MAX];
	char *name;
	int fd;

	(void) text;
	if (!become(&folder->owner))
		return 1;
	if (!folder->keep_entries) {
		fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			remove_entries(fd);
	}
	fd = open_parent(folder, parent, &name);
	return fd >= 0 && unlinkat(fd, name, AT_REMOVEDIR) == 0 ? 0 : 1;
}

/* 0 with the folder opened, or FAILED or NOT_EMPTY. */
static int make_at(struct uvh_folder *folder, const char *path, char text[UVH_TEXT_BYTES])
{
	int status;

	snprintf(folder->seen, sizeof(folder->seen), "%s", path);
	status = uvh_in_child(make, folder, text);
	folder->is_new = status == MADE;
	if (status != MADE && status != TAKEN)
		return status;
	folder->fd = open_in_root(folder->root, path, O_RDONLY);
	if (folder->fd < 0)
		return fail(text, path, "");
	snprintf(folder->ours, sizeof(folder->ours), "/proc/self/fd/%d", folder->fd);
	return 0;
}

/* Where everybody may make a folder, as a rule; and our own place for that. */
static int make_temporary(struct uvh_folder *folder)
{
	const char *const places[] = {getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"};
	char path[PATH_MAX], text[UVH_TEXT_BYTES] = "";
	uint64_t number;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] == NULL || places[i][0] != '/')
			continue;
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			break;
		snprintf(path, sizeof(path), "%.3000s/uvhooks-%016" PRIx64, places[i], number);
		if (make_at(folder, path, text) == 0)
			return UVH_OK;
	}
	uvh_say("the process has no place for a temporary folder: %s", text);
	return UVH_FAILED;
}

static int make_named(struct uvh_folder *folder, struct uvh_process *process, const char *path)
{
	char absolute[PATH_MAX] = "", text[UVH_TEXT_BYTES];
	size_t used;
	int status;

	if (path[0] == '\0')
		return uvh_say("-o needs the path of a folder"), UVH_USAGE;
	if (path[0] != '/' && !uvh_process_has_our_root(process)) {
		uvh_say("process %d has a root of its own: name the folder by an absolute path, as "
			"it is seen there",
			(int) uvh_process_pid(process));
		return UVH_USAGE;
	}
	if (path[0] != '/' && getcwd(absolute, sizeof(absolute) - 1) == NULL) {
		uvh_say("the current folder: %s", strerror(errno));
		return UVH_FAILED;
	}
	used = strlen(absolute);
	if (used > 1)
		absolute[used++] = '/';
	if (used + strlen(path) >= sizeof(absolute)) {
		uvh_say("%.100s...: %s", path, strerror(ENAMETOOLONG));
		return UVH_USAGE;
	}
	strcpy(absolute + used, path);
	for (used = strlen(absolute); used > 1 && absolute[used - 1] == '/'; used--)
		absolute[used - 1] = '\0';
	status = make_at(folder, absolute, text);
	if (status == 0)
		return UVH_OK;
	uvh_say("cannot use the folder: %s", text);
	return status == NOT_EMPTY ? UVH_USAGE : UVH_FAILED;
}

int uvh_folder_make(struct uvh_folder *folder, struct uvh_process *process, const char *path)
{
	int status;

	folder->fd = -1;
	folder->root = openat(process->folder, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder->root < 0 || !uvh_process_facts(process->folder, &folder->owner)) {
		uvh_say("process %d has ended", (int) uvh_process_pid(process));
		status = UVH_FAILED;
	} else {
		status = path == NULL ? make_temporary(folder) : make_named(folder, process, path);
	}
	if (status != UVH_OK)
		uvh_folder_close(folder);
	return status;
}

void uvh_folder_remove(struct uvh_folder *folder)
{
	char text[UVH_TEXT_BYTES];

	uvh_in_child(remove_all, folder, text);
	uvh_folder_close(folder);
}

void uvh_folder_remove_empty(struct uvh_folder *folder)
{
	char text[UVH_TEXT_BYTES];

	folder->keep_entries = true;
	if (folder->is_new)
		uvh_in_child(remove_all, folder, text);
	uvh_folder_close(folder);
}

void uvh_folder_close(struct uvh_folder *folder)
{
	if (folder->fd >= 0)
		close(folder->fd);
	if (folder->root >= 0)
		close(folder->root);
	folder->fd = folder->root = -1;
}
