/* SPDX-License-Identifier: MIT */
/*
 * What the files share that look into a process under the shim; process.h is what verbs see of it.
 */
#ifndef UVH_PROCESS_PARTS_H
#define UVH_PROCESS_PARTS_H

#include <uvhooks/async_resource.h>

#include "process.h"
#include "trace_symbols.h"

/*
 * Invariants: `folder` is the /proc/PID of this very process: what is opened in it fails once the
 * process has ended, also if another one has its pid by then. `memory` is of the program that ran
 * when it was opened: after an exec() there is nothing to be read from it.
 */
struct uvh_process {
	pid_t pid;
	int folder;
	int memory;
	int pidfd; /* -1 before the first request */
	bool writable;
	uint64_t address; /* of the control block */
	/* As it was when it was opened. Its counts and sizes were checked, and never change. */
	struct uvhooks_control control;
	char type_name[UVHOOKS_TYPE_NAME_BYTES];
	/* Reads from a core file, where it is one, as uvh_process_read() does; else NULL. */
	size_t (*read_core)(const void *core, uint64_t address, void *copy, size_t bytes);
	const void *core;
	struct uvh_trace_symbols *symbols; /* NULL before the first name was asked for */
};

/* One line of /proc/PID/maps. */
struct uvh_mapping {
	uint64_t begin, end, offset;
	bool is_readable, is_writable;
	bool is_deleted;  /* its file */
	const char *path; /* "" where it has none; without " (deleted)" */
};

/* Return true to stop. 0, or -errno where maps could not be read. */
int uvh_each_mapping(int folder, bool (*mapping)(const struct uvh_mapping *mapping, void *data),
		     void *data);

#define UVH_GROUPS_MAX 256

/* What /proc/PID/status says. */
struct uvh_process_facts {
	pid_t group;     /* the pid that its threads share */
	pid_t own;       /* the pid that it sees itself, in its own namespace */
	char state;      /* 'R', 'S', 'T' ... */
	bool has_memory; /* kernel threads have none */
	uid_t user;      /* effective; so are those below */
	gid_t main_group;
	gid_t groups[UVH_GROUPS_MAX];
	size_t group_count;
};

/* False: it is gone. */
bool uvh_process_facts(int folder, struct uvh_process_facts *facts);

/* Do paths mean the same to it and us? */
bool uvh_process_has_our_root(const struct uvh_process *process);

/* Finds and checks the control block, in the mappings of libuvhooks.so. */
enum uvh_process_found uvh_process_find(struct uvh_process *process,
					char error[UVH_PROCESS_ERROR_BYTES]);

/* Can its counts and sizes be believed? */
bool uvh_process_is_sane(const struct uvhooks_control *control);

/* Says why the kernel refuses: UVH_PROCESS_FORBIDDEN, or what it is that cannot be looked into. */
enum uvh_process_found uvh_process_forbidden(const struct uvh_process *process,
					     char error[UVH_PROCESS_ERROR_BYTES]);

bool uvh_process_write(struct uvh_process *process, uint64_t address, const void *from,
		       size_t bytes);

/* All of it, or false. */
static inline bool uvh_process_copy(struct uvh_process *process, uint64_t address, void *copy,
				    size_t bytes)
{
	return uvh_process_read(process, address, copy, bytes) == bytes;
}

/* The entry number `place` of its list of loops. */
bool uvh_process_loop(struct uvh_process *process, size_t place, struct uvhooks_control_loop *loop);

/* What the thread that drives this loop runs now; zeros where that is not known. */
void uvh_process_frame(struct uvh_process *process, const struct uvhooks_control_loop *loop,
		       struct uvhooks_control_frame *frame);

/*
 * Wakes the loop of that number, if it can be; only behind a first request, which has opened what
 * it takes.
 */
void uvh_process_wake(struct uvh_process *process, size_t place);

#endif
