/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process_parts.h"

static enum uvh_process_found say_gone(pid_t pid, char error[UVH_PROCESS_ERROR_BYTES])
{
	snprintf(error, UVH_PROCESS_ERROR_BYTES, "there is no process %d (any more)", (int) pid);
	return UVH_PROCESS_GONE;
}

static enum uvh_process_found say_failed(pid_t pid, const char *what,
					 char error[UVH_PROCESS_ERROR_BYTES])
{
	if (errno == ENOENT || errno == ESRCH)
		return say_gone(pid, error);
	snprintf(error, UVH_PROCESS_ERROR_BYTES, "cannot open %s of process %d: %s", what,
		 (int) pid, strerror(errno));
	return UVH_PROCESS_FAILED;
}

static enum uvh_process_found open_folder(struct uvh_process *process,
					  char error[UVH_PROCESS_ERROR_BYTES])
{
	struct uvh_process_facts facts;
	char path[32];

	if (process->pid <= 0)
		return say_gone(process->pid, error);
	snprintf(path, sizeof(path), "/proc/%d", (int) process->pid);
	process->folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process->folder < 0)
		return say_failed(process->pid, "the folder in /proc", error);
	if (!uvh_process_facts(process->folder, &facts))
		return say_gone(process->pid, error);
	if (facts.group == process->pid)
		return UVH_PROCESS_FOUND;
	snprintf(error, UVH_PROCESS_ERROR_BYTES, "%d is a thread of process %d: name the process",
		 (int) process->pid, (int) facts.group);
	return UVH_PROCESS_GONE;
}

static enum uvh_process_found open_memory(struct uvh_process *process,
					  char error[UVH_PROCESS_ERROR_BYTES])
{
	process->memory =
	    openat(process->folder, "mem", (process->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (process->memory >= 0)
		return UVH_PROCESS_FOUND;
	if (errno == EACCES || errno == EPERM)
		return uvh_process_forbidden(process, error);
	return say_failed(process->pid, "the memory", error);
}

enum uvh_process_found uvh_process_open(struct uvh_process **opened, pid_t pid, bool writable,
					char error[UVH_PROCESS_ERROR_BYTES])
{
	struct uvh_process *process = calloc(1, sizeof(*process));
	enum uvh_process_found found;

	*opened = NULL;
	error[0] = '\0';
	if (process == NULL) {
		snprintf(error, UVH_PROCESS_ERROR_BYTES, "no memory");
		return UVH_PROCESS_FAILED;
	}
	process->pid = pid;
	process->writable = writable;
	process->folder = process->memory = process->pidfd = -1;
	found = open_folder(process, error);
	if (found == UVH_PROCESS_FOUND)
		found = open_memory(process, error);
	if (found == UVH_PROCESS_FOUND)
		found = uvh_process_find(process, error);
	if (found == UVH_PROCESS_FOUND)
		*opened = process;
	else
		uvh_process_close(process);
	return found;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void uvh_process_close(struct uvh_process *process)
{
	if (process == NULL)
		return;
	uvh_trace_symbols_close(process->symbols);
	close_if_open(process->pidfd);
	close_if_open(process->memory);
	close_if_open(process->folder);
	free(process);
}

pid_t uvh_process_pid(const struct uvh_process *process)
{
	return process->pid;
}

size_t uvh_process_read(struct uvh_process *process, uint64_t address, void *copy, size_t bytes)
{
	size_t done = 0;

	if (process->read_core != NULL)
		return process->read_core(process->core, address, copy, bytes);
	while (done < bytes) {
		ssize_t some = pread(process->memory, (char *) copy + done, bytes - done,
				     (off_t) (address + done));

		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			break;
		done += (size_t) some;
	}
	return done;
}

bool uvh_process_write(struct uvh_process *process, uint64_t address, const void *from,
		       size_t bytes)
{
	ssize_t some;

	do
		some = pwrite(process->memory, from, bytes, (off_t) address);
	while (some < 0 && errno == EINTR);
	return some >= 0 && (size_t) some == bytes;
}

bool uvh_process_control(struct uvh_process *process, struct uvhooks_control *control)
{
	if (!uvh_process_copy(process, process->address, control, sizeof(*control)) ||
	    memcmp(control->magic, UVHOOKS_CONTROL_MAGIC, sizeof(control->magic)) != 0)
		return false;
	/* Whoever reads them finds their ends. */
	control->version[sizeof(control->version) - 1] = '\0';
	control->libuv[sizeof(control->libuv) - 1] = '\0';
	control->plugins[sizeof(control->plugins) - 1] = '\0';
	return true;
}
