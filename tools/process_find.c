/* SPDX-License-Identifier: MIT */
/* Where the control block is in a process, and why it cannot be looked into. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process_parts.h"

#define SHIM "libuvhooks.so"

/* The writable data of the shim is some pages: what is larger is none. */
#define DATA_MAX_BYTES ((size_t) 4 << 20)

/* Counts that no shim comes near. */
#define RECORD_MAX_BYTES 4096
#define SEGMENT_BITS_MAX 20
#define SEGMENT_MAX      ((size_t) 1 << 20)
#define LOOP_MAX         1024
#define AREA_MAX         1024
#define COUNTER_MAX      4096

static bool read_mapping(char *line, struct uvh_mapping *mapping)
{
	static const char deleted[] = " (deleted)";
	char rights[5];
	int at = 0;
	char *path;
	size_t length;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s%n", &mapping->begin,
		   &mapping->end, rights, &mapping->offset, &at) < 4 ||
	    at == 0 || mapping->begin >= mapping->end)
		return false;
	path = line + at;
	path += strspn(path, " ");
	path[strcspn(path, "\n")] = '\0';
	length = strlen(path);
	mapping->is_readable = rights[0] == 'r';
	mapping->is_writable = rights[1] == 'w';
	mapping->is_deleted = length > sizeof(deleted) - 1 &&
			      strcmp(path + length - (sizeof(deleted) - 1), deleted) == 0;
	if (mapping->is_deleted)
		path[length - (sizeof(deleted) - 1)] = '\0';
	mapping->path = path;
	return true;
}

static FILE *open_text(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");

	if (file == NULL && fd >= 0)
		close(fd);
	return file;
}

int uvh_each_mapping(int folder, bool (*mapping)(const struct uvh_mapping *mapping, void *data),
		     void *data)
{
	FILE *file = open_text(folder, "maps");
	struct uvh_mapping found;
	size_t room = 0;
	char *line = NULL;
	bool stop = false;
	int error;

	if (file == NULL)
		return -errno;
	errno = 0;
	while (!stop && getline(&line, &room, file) >= 0)
		if (read_mapping(line, &found))
			stop = mapping(&found, data);
	error = stop || feof(file) ? 0 : -errno;
	free(line);
	fclose(file);
	return error;
}

/* The last of the numbers in a line. */
static pid_t last_number(const char *line)
{
	size_t end = strlen(line);

	while (end > 0 && !isdigit((unsigned char) line[end - 1]))
		end--;
	while (end > 0 && isdigit((unsigned char) line[end - 1]))
		end--;
	return (pid_t) strtol(line + end, NULL, 10);
}

static void read_groups(char *text, struct uvh_process_facts *facts)
{
	char *next = text;

	for (; facts->group_count < UVH_GROUPS_MAX; text = next) {
		unsigned long group = strtoul(text, &next, 10);

		if (next == text)
			return;
		facts->groups[facts->group_count++] = (gid_t) group;
	}
}

bool uvh_process_facts(int folder, struct uvh_process_facts *facts)
{
	FILE *file = open_text(folder, "status");
	unsigned int user, group;
	size_t room = 0;
	char *line = NULL;

	*facts = (struct uvh_process_facts){.state = '?', .user = (uid_t) -1};
	if (file == NULL)
		return false;
	while (getline(&line, &room, file) >= 0) {
		if (sscanf(line, "State: %c", &facts->state) == 1)
			continue;
		if (sscanf(line, "Uid: %*u %u", &user) == 1)
			facts->user = user;
		else if (sscanf(line, "Gid: %*u %u", &group) == 1)
			facts->main_group = group;
		else if (strncmp(line, "VmSize:", 7) == 0)
			facts->has_memory = true;
		else if (strncmp(line, "Groups:", 7) == 0)
			read_groups(line + 7, facts);
		else if (strncmp(line, "Tgid:", 5) == 0)
			facts->group = facts->own = last_number(line);
		else if (strncmp(line, "NSpid:", 6) == 0)
			facts->own = last_number(line);
	}
	free(line);
	fclose(file);
	return facts->group != 0 && facts->state != 'Z' && facts->state != 'X';
}

bool uvh_process_has_our_root(const struct uvh_process *process)
{
	static const char *const links[] = {"root", "ns/mnt"};
	char theirs[PATH_MAX], ours[PATH_MAX], path[64];

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		ssize_t one = readlinkat(process->folder, links[i], theirs, sizeof(theirs));
		ssize_t other;

		snprintf(path, sizeof(path), "/proc/self/%s", links[i]);
		other = readlink(path, ours, sizeof(ours));
		if (one < 0 || one != other || memcmp(theirs, ours, (size_t) one) != 0)
			return false;
	}
	return true;
}

static bool is_yama_strict(void)
{
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	bool strict = file != NULL && fgetc(file) != '0';

	if (file != NULL)
		fclose(file);
	return strict;
}

enum uvh_process_found uvh_process_forbidden(const struct uvh_process *process,
					     char error[UVH_PROCESS_ERROR_BYTES])
{
	struct uvh_process_facts facts;
	const struct passwd *user;
	const char *why;

	if (!uvh_process_facts(process->folder, &facts)) {
		snprintf(error, UVH_PROCESS_ERROR_BYTES, "there is no process %d (any more)",
			 (int) process->pid);
		return UVH_PROCESS_GONE;
	}
	if (!facts.has_memory) {
		snprintf(error, UVH_PROCESS_ERROR_BYTES, "process %d is a part of the kernel",
			 (int) process->pid);
		return UVH_PROCESS_WITHOUT;
	}
	user = getpwuid(facts.user);
	if (geteuid() == 0)
		why = "it is protected even from root, or CAP_SYS_PTRACE was taken from us";
	else if (facts.user != geteuid())
		why = "only that user may, and root";
	else if (is_yama_strict())
		why = "kernel.yama.ptrace_scope lets only root look into processes";
	else
		why = "it has changed its rights, or is protected; root may";
	snprintf(error, UVH_PROCESS_ERROR_BYTES,
		 "the kernel does not let us look into process %d of user %.64s: %s",
		 (int) process->pid, user != NULL ? user->pw_name : "?", why);
	return UVH_PROCESS_FORBIDDEN;
}

static bool is_shim(const char *path)
{
	const char *name = strrchr(path, '/');

	return name != NULL && strncmp(name + 1, SHIM, sizeof(SHIM) - 1) == 0 &&
	       (name[sizeof(SHIM)] == '\0' || name[sizeof(SHIM)] == '.');
}

/* What was found so far; the best counts, and of two equal ones the first. */
struct search {
	struct uvh_process *process;
	pid_t own_pid;
	char *data;
	enum { NO_SHIM, NO_BLOCK, NOT_ALIVE, PARENTS, DAMAGED, OTHER, GOOD } best;
	uint32_t abi;
};

bool uvh_process_is_sane(const struct uvhooks_control *control)
{
	return control->record_bytes >= sizeof(struct uvhooks_control_record) &&
	       control->record_bytes <= RECORD_MAX_BYTES &&
	       control->segment_bits <= SEGMENT_BITS_MAX &&
	       (size_t) control->record_bytes << control->segment_bits <= SEGMENT_MAX &&
	       control->loop_count <= LOOP_MAX && control->area_count <= AREA_MAX &&
	       control->counter_count <= COUNTER_MAX;
}

static int judge(const struct search *search, const struct uvhooks_control *control)
{
	if (control->abi != UVHOOKS_CONTROL_ABI || control->size < sizeof(*control))
		return OTHER;
	if (!(control->state & UVHOOKS_CONTROL_ALIVE))
		return NOT_ALIVE;
	if (control->pid != search->own_pid)
		return PARENTS;
	return uvh_process_is_sane(control) ? GOOD : DAMAGED;
}

static void look_at_block(struct search *search, uint64_t address)
{
	struct uvh_process *process = search->process;
	const uint64_t before = process->address;
	struct uvhooks_control control;
	int judgement;

	process->address = address;
	if (uvh_process_control(process, &control)) {
		judgement = judge(search, &control);
		if ((int) search->best < judgement) {
			search->best = judgement;
			search->abi = control.abi;
			process->control = control;
			return;
		}
	}
	process->address = before;
}

static bool look_at_mapping(const struct uvh_mapping *mapping, void *data)
{
	struct search *search = data;
	size_t bytes = mapping->end - mapping->begin;

	if (!is_shim(mapping->path))
		return false;
	if (search->best == NO_SHIM)
		search->best = NO_BLOCK;
	if (!mapping->is_writable || !mapping->is_readable || bytes > DATA_MAX_BYTES)
		return false;
	if (search->data == NULL)
		search->data = malloc(DATA_MAX_BYTES);
	if (search->data == NULL)
		return true;
	bytes = uvh_process_read(search->process, mapping->begin, search->data, bytes);
	for (size_t at = 0; at + sizeof(struct uvhooks_control) <= bytes && search->best != GOOD;
	     at += UVHOOKS_CONTROL_ALIGNMENT)
		if (memcmp(search->data + at, UVHOOKS_CONTROL_MAGIC,
			   sizeof(UVHOOKS_CONTROL_MAGIC)) == 0)
			look_at_block(search, mapping->begin + at);
	return search->best == GOOD;
}

static enum uvh_process_found say_found(const struct search *search,
					char error[UVH_PROCESS_ERROR_BYTES])
{
	const int pid = (int) search->process->pid;
	const char *text = "";

	switch (search->best) {
	case GOOD:
		return UVH_PROCESS_FOUND;
	case OTHER:
		snprintf(error, UVH_PROCESS_ERROR_BYTES,
			 "the shim in process %d is of another version (%.16s): use the `uvhooks` "
			 "that belongs to it",
			 pid, search->abi == 0 ? "" : search->process->control.version);
		return UVH_PROCESS_OTHER_ABI;
	case DAMAGED:
		snprintf(error, UVH_PROCESS_ERROR_BYTES,
			 "what process %d has in memory for us makes no sense: it was written over",
			 pid);
		return UVH_PROCESS_FAILED;
	case NO_SHIM:
		text = "it was started without libuvhooks.so: see `uvhooks run --dormant`, or what "
		       "LD_PRELOAD says (a setuid program ignores it)";
		break;
	case NO_BLOCK:
		text = "its libuvhooks.so is of a version that does not let itself be looked into";
		break;
	case NOT_ALIVE:
		text = "its libuvhooks.so has not come to life";
		break;
	case PARENTS:
		text = "it shares the memory of its parent, or was forked without the C library";
		break;
	}
	snprintf(error, UVH_PROCESS_ERROR_BYTES, "process %d cannot be looked into: %s", pid, text);
	return UVH_PROCESS_WITHOUT;
}

enum uvh_process_found uvh_process_find(struct uvh_process *process,
					char error[UVH_PROCESS_ERROR_BYTES])
{
	struct search search = {.process = process};
	struct uvh_process_facts facts;
	int result = -ESRCH;

	if (uvh_process_facts(process->folder, &facts)) {
		search.own_pid = facts.own;
		result = uvh_each_mapping(process->folder, look_at_mapping, &search);
	}
	free(search.data);
	if (result == -EACCES || result == -EPERM)
		return uvh_process_forbidden(process, error);
	if (result == 0)
		return say_found(&search, error);
	snprintf(error, UVH_PROCESS_ERROR_BYTES, "process %d has ended meanwhile",
		 (int) process->pid);
	return UVH_PROCESS_GONE;
}
