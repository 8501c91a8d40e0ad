/* SPDX-License-Identifier: MIT */
/* What log_file.c, log_path.c and log_write.c share: the way of a line out of the process. */
#ifndef LOG_FILE_H
#define LOG_FILE_H

#include <limits.h>
#include <sys/types.h>

#include "log.h"

/*
 * Writes into `path` what the option file=`file` means in process `pid`; a relative one is put
 * behind `folder`. False if it is too long.
 */
bool log_path_expand(const char *folder, const char *file, pid_t pid, char path[PATH_MAX]);

/* Does each process have its own file? */
bool log_path_per_process(const char *file);

/*
 * Writes it all to a file of this kind: 0 or an errno. Does not wait for long, and raises no signal
 * that the program did not ask for. A text that was cut short is followed by a newline before the
 * next one.
 */
int log_write(int fd, mode_t mode, const char *text, size_t bytes);

/* The same to what is not the log, where no line was cut short. */
int log_write_beside(int fd, mode_t mode, const char *text, size_t bytes);

#endif
