/* SPDX-License-Identifier: MIT */
/* What `uvhooks ctl`, `ps` and the verbs that ask a running process share. */
#ifndef UVH_CTL_H
#define UVH_CTL_H

#include "command.h"
#include "process.h"
#include "terminal.h"

/* A process as it is seen without its help. */
struct uvh_look {
	struct uvhooks_control control;
	char user[64];     /* the name, or the number */
	char program[256]; /* its command line */
	int64_t up_ns;     /* since the shim came to life */
	bool is_hooked;    /* a hook is enabled */
	bool is_whole;     /* all resources were counted */
	uint64_t live;
	uint64_t by_type[UINT16_MAX + 1];
};

/* False: it is gone. `look` is large: not on the stack. */
bool uvh_look_at(struct uvh_process *process, struct uvh_look *look);

/* "dormant", "log,recorder", "hooks of its own", "disabled", "broken". */
const char *uvh_look_state(const struct uvh_look *look);

/* "34 s", "12 min", "2 h 05 min", "3 d 04 h". */
const char *uvh_age_text(int64_t ns, char text[UVH_TEXT_ROOM]);

/* A pid in decimal; 0: it is none. */
pid_t uvh_read_pid(const char *text);

/*
 * Opens a process for a verb. UVH_OK, or, when it has said why not, UVH_USAGE where there is no
 * such process or no shim in it, and UVH_FAILED.
 */
int uvh_ctl_open(struct uvh_process **process, pid_t pid, bool writable);

#define UVH_CTL_TIMEOUT_NS INT64_C(2000000000)

/*
 * Has the process do something. UVH_OK, with what it said in `answer`, or UVH_FAILED when it has
 * said why not. `answer` has UVHOOKS_CONTROL_ANSWER_BYTES.
 */
int uvh_ctl_ask(struct uvh_process *process, const char *request, int64_t timeout_ns, char *answer);

/* What the words of a command line say. */
struct uvh_ctl {
	struct uvh_process *process;
	int64_t timeout_ns;
	bool json;
	const char *output, *ring, *max_size;
	bool stacks;
	const char *sample; /* "1/10" */
	char **words;       /* behind the verb; closed by a NULL */
	size_t count;
};

/* ctl_status.c, ctl_record.c: verbs of it; they return an enum uvh_status. */
int uvh_ctl_status(struct uvh_ctl *ctl);
int uvh_ctl_record(struct uvh_ctl *ctl);

/* Adds a text to a request of `bytes`, with a backslash before what parts plugins and options. */
void uvh_request_add_guarded(char *request, size_t bytes, const char *text);

#endif
