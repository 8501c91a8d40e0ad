/* SPDX-License-Identifier: MIT */
/* The option file=: what it stands for, and whether lines could be written there. */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool log_path_expand(const char *folder, const char *file, pid_t pid, char path[PATH_MAX])
{
	struct log_line number = {.used = 0};
	size_t used = strlen(folder);

	log_line_number(&number, (uint64_t) pid);
	memcpy(path, folder, used);
	if (used > 0)
		path[used++] = '/';
	for (; *file != '\0'; file++) {
		if (used + number.used >= PATH_MAX)
			return false;
		if (*file != '%') {
			path[used++] = *file;
		} else if (*++file == 'p') {
			memcpy(path + used, number.text, number.used);
			used += number.used;
		} else {
			path[used++] = '%';
		}
	}
	path[used] = '\0';
	return true;
}

bool log_path_per_process(const char *file)
{
	for (file = strchr(file, '%'); file != NULL; file = strchr(file + 2, '%'))
		if (file[1] == 'p')
			return true;
	return false;
}

static int check_percent(struct uvhooks_plugin_args *args, const char *file)
{
	const char *percent = strchr(file, '%');

	for (; percent != NULL; percent = strchr(percent + 2, '%'))
		if (percent[1] != 'p' && percent[1] != '%')
			return uvhooks_plugin_error(
			    args, "file=%s: only %%p (the process id) and %%%% may follow a %%",
			    file);
	return 0;
}

/* The folder of a file that does not exist; `path` is cut to it. */
static int check_folder(struct uvhooks_plugin_args *args, char *path)
{
	char *slash = strrchr(path, '/');
	const char *folder = slash == path ? "/" : path;

	if (slash[1] == '\0')
		return uvhooks_plugin_error(args, "file=%s names a folder, not a file", path);
	*slash = '\0';
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
		return uvhooks_plugin_error(args, "file=: no file can be made in %s: %s", folder,
					    strerror(errno));
	return 0;
}

static int check_path(struct uvhooks_plugin_args *args, char *path)
{
	struct stat status;

	if (lstat(path, &status) != 0) {
		if (errno == ENOENT)
			return check_folder(args, path);
		return uvhooks_plugin_error(args, "file=%s: %s", path, strerror(errno));
	}
	if (S_ISLNK(status.st_mode))
		return uvhooks_plugin_error(
		    args, "file=%s is a symbolic link; name the file that it leads to", path);
	if (S_ISDIR(status.st_mode))
		return uvhooks_plugin_error(args, "file=%s names a folder, not a file", path);
	if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode) && !S_ISFIFO(status.st_mode))
		return uvhooks_plugin_error(args, "file=%s is not a file that lines can go to",
					    path);
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
		return uvhooks_plugin_error(args, "file=%s cannot be written: %s", path,
					    strerror(errno));
	return 0;
}

int log_file_check(struct uvhooks_plugin_args *args, const char *file)
{
	char folder[PATH_MAX] = "";
	char path[PATH_MAX];
	struct stat status;

	if (file == NULL) {
		if (fstat(STDERR_FILENO, &status) != 0)
			return uvhooks_plugin_error(
			    args, "stderr is closed; say file=PATH to log elsewhere");
		return 0;
	}
	if (check_percent(args, file) != 0)
		return -1;
	if (file[0] != '/' && getcwd(folder, sizeof(folder)) == NULL)
		return uvhooks_plugin_error(args, "file=%s: the current folder: %s", file,
					    strerror(errno));
	if (!log_path_expand(folder, file, getpid(), path))
		return uvhooks_plugin_error(args, "file=: the path is too long");
	return check_path(args, path);
}
