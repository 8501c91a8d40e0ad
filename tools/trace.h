/* SPDX-License-Identifier: MIT */
/*
 * Reading a trace: every event of every process in a folder, in the order of time, each as complete
 * as a hook saw it.
 *
 *	struct uvh_trace *trace = uvh_trace_open(path);
 *	struct uvh_trace_event event;
 *
 *	if (trace == NULL)
 *		return UVH_USAGE;        // it has said why
 *	while (uvh_trace_next(trace, &event))
 *		...
 *	uvh_trace_say_damage(trace);     // what could not be read, on stderr
 *	uvh_trace_close(trace);
 *
 * Memory is bounded by what is alive at one time in the traced program, never by the length of the
 * trace: files are read piece by piece, and resources are forgotten when they are destroyed, but
 * for the ancestors of live ones, of which some hundred in a row are kept, and 65,536 in all.
 * Nothing in a file is trusted; its texts are made printable, and are UTF-8.
 *
 * Not thread-safe. All pointers handed out are valid until uvh_trace_close() unless said otherwise.
 */
#ifndef UVH_TRACE_H
#define UVH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uvhooks/types.h>

struct uvh_trace;

/* Events that are none of enum uvhooks_event_type. */
#define UVH_TRACE_RESOURCE (UVHOOKS_EVENT_MAX)     /* told alive: see UVHOOKS_TRACE_RESOURCE */
#define UVH_TRACE_STACK    (UVHOOKS_EVENT_MAX + 1) /* of the event just before it in its thread */
#define UVH_TRACE_STATE    (UVHOOKS_EVENT_MAX + 2) /* how the resource stands */

struct uvh_trace_counter {
	const char *name; /* as in struct uvhooks_counters, or the recorder's own */
	uint64_t value;
};

/* One folder of the trace. */
struct uvh_trace_process {
	size_t index;        /* in the order in which they began */
	const char *folder;  /* "nvim-1234" */
	const char *program; /* the path of the executable */
	const char *command; /* its arguments */
	const char *hostname;
	uint32_t pid;
	uint32_t launched;                      /* the pid that `uvhooks record` started; 0: none */
	const struct uvh_trace_process *parent; /* NULL if it is not in this trace */
	uint32_t libuv_version;                 /* as uv_version() gives it; 0: unknown */
	const char *libuv_path;
	bool flight_recorder;      /* mode=ring: the beginning may be missing */
	bool ended;                /* by itself: a killed process has no end */
	bool stopped;              /* the recording was, and the process went on */
	bool running;              /* it recorded on when the trace was opened */
	int64_t start_ns;          /* when recording began; nanoseconds since 1970 */
	int64_t last_ns;           /* its latest event: known from the packets' headers at once */
	uint64_t events_discarded; /* by the recorder, in all streams; known at once */
	uint64_t events_expected;  /* about how many there will be, for a progress bar */
	size_t counter_count;      /* what the shim and the recorder say that they lost */
	const struct uvh_trace_counter *counters;
	bool has_stacks;      /* somebody took stacks: known at once */
	uint32_t stack_count; /* their numbers go from 1 to this */
	void *user;           /* the caller's */
};

/* A function of a script, as its interpreter told. */
struct uvh_trace_frame {
	const char *function; /* "": it has no name */
	const char *file;     /* "": unknown */
	uint32_t line;        /* 0: unknown */
};

/* Both innermost first. The instruction that is meant lies just before each of the addresses. */
struct uvh_trace_stack {
	uint32_t number;
	uint32_t address_count;
	uint32_t frame_count;
	const uint64_t *addresses;
	const struct uvh_trace_frame *frames;
};

/* What an address of a stack means. Of several the first is inlined into the next. */
struct uvh_trace_line {
	const char *function; /* as the linker knows it; "": unknown */
	const char *path;     /* of the source file; "": unknown */
	uint32_t line;        /* 0: unknown */
	const char *module;   /* the path of the file that the code lies in; "": unknown */
};

/* Does libuv itself call the callbacks of this type? It does so from a loop only. */
static inline bool uvh_is_libuvs(unsigned int type)
{
	enum uvhooks_kind kind = uvhooks_type_kind(type);

	return kind == UVHOOKS_KIND_HANDLE || kind == UVHOOKS_KIND_REQUEST;
}

/* One thread of a process. It is known from its first event on. */
struct uvh_trace_thread {
	size_t index; /* in its process */
	const struct uvh_trace_process *process;
	uint32_t thread_id;
	const char *name; /* "" if unknown */
	uint64_t events_discarded;
	void *user; /* the caller's */
};

/* How a resource stood when it was last told: struct uvhooks_state. */
struct uvh_trace_state {
	uint32_t flags;     /* enum uvhooks_state_flag, or'ed */
	int32_t fd;         /* -1: none */
	uint32_t number;    /* a process's pid, a signal's number, else 0 */
	int64_t due_ns;     /* an armed timer's; nanoseconds since 1970; 0: none */
	uint64_t repeat_ms; /* a timer's interval; else 0 */
	uint64_t bytes;     /* waiting to be written */
	const char *text;   /* what it is about, see struct uvhooks_state; "": nothing is known */
	int64_t time_ns;    /* when that was */
};

/*
 * A resource: alive, or remembered as the ancestor of a live one. Times are 0 where the thing has
 * not happened (yet), or not within the trace.
 */
struct uvh_trace_resource {
	uvhooks_async_id id;
	uvhooks_async_id trigger_async_id;
	uvhooks_async_id execution_async_id; /* during its init */
	uvhooks_async_id arm_async_id;       /* the execution id of its latest start */
	struct uvh_trace_process *process;
	struct uvh_trace_resource *trigger; /* NULL: top level, or not known (any more) */
	uint64_t callback;                  /* the latest armed, or called */
	uint64_t init_callback;             /* of a request: its callback; else 0 */
	uint16_t type;
	int16_t fs_type;
	bool no_loop;
	bool init_seen; /* else it is known by later events, or a flight recorder's list only */
	bool armed;     /* between start and stop; a timer that does not repeat, until it fires */
	bool destroyed; /* remembered for its descendants only */
	int64_t init_ns;
	int64_t start_ns;
	int64_t work_begin_ns;
	int64_t work_end_ns;
	int64_t before_ns; /* of the callback that ran last or runs */
	int64_t after_ns;
	int64_t due_ns;       /* of an armed timer, as far as it is known; nanoseconds since 1970 */
	uint64_t runs;        /* callbacks that began */
	int64_t run_ns;       /* in callbacks, until the latest after; inner callbacks included */
	uint32_t thread;      /* index of the thread that made it; UINT32_MAX: unknown */
	uint32_t init_stack;  /* number of the stack at its init; 0: none was taken */
	uint32_t start_stack; /* at its latest start */
	bool unref;           /* as far as REF, UNREF and STATE tell; a handle begins referenced */
	int64_t pool_end_ns;  /* a pool thread had done libuv's own work for it */
	uint32_t pool_thread; /* index of that thread; UINT32_MAX: none, or unknown */
	const struct uvh_trace_state *state; /* the latest; NULL: never told */
	void *user;                          /* the caller's; see uvh_trace_on_forget */
};

/* One event, complete. Valid until the next one is read. */
struct uvh_trace_event {
	unsigned int event; /* enum uvhooks_event_type, or UVH_TRACE_RESOURCE */
	uint16_t flags;     /* enum uvhooks_flag, or'ed */
	uint16_t type;
	int16_t fs_type;
	bool no_loop;
	uint64_t ticks;  /* of the trace's clock */
	int64_t time_ns; /* since 1970; never less than that of the event before in its thread */
	uvhooks_async_id async_id;
	uvhooks_async_id trigger_async_id;
	uvhooks_async_id execution_async_id;
	uvhooks_async_id other_async_id;
	uint64_t callback;  /* 0: none */
	unsigned int depth; /* callbacks, work and loops around it on its thread; of a before or
			       after: around that callback */
	/*
	 * Of after, work_end and loop_exit: when the before, work_begin or loop_enter was; 0 if it
	 * is not in the trace. `inner_ns` is how much of the time between was spent in callbacks
	 * (or loops) inside it. `ran_ns` is how much of it lies in the window (uvh_trace_window),
	 * `self_ns` how much of that was not spent inside it.
	 */
	int64_t begin_ns;
	int64_t inner_ns;
	int64_t ran_ns;
	int64_t self_ns;
	bool unfinished; /* of what uvh_trace_for_each_running() tells: it ran on */
	/* Of a timer's before: when it was due; 0 if unknown. */
	int64_t due_ns;
	int64_t duration_ns;      /* of fs_call and stall */
	uint32_t other_thread_id; /* of stall: the kernel's id of the thread that is stuck */
	uint32_t stack;           /* of UVH_TRACE_STACK: its number */
	unsigned int stack_of;    /* of UVH_TRACE_STACK: the event that it belongs to; behind
				     UVH_TRACE_RESOURCE come two, the init's and the start's */
	struct uvh_trace_process *process;
	struct uvh_trace_thread *thread;
	/*
	 * As it is after the event; of a destroy: as it was, valid until the next event. NULL for
	 * loop_enter, loop_exit and loop_busy; for fs_call and what follows it at top level and in
	 * libuv, too.
	 */
	struct uvh_trace_resource *resource;
};

/* Does it tell the life of its resource, or of its loop? The others answer questions about them,
   and of an fs_call the resource is not even its own. */
static inline bool uvh_trace_is_life(const struct uvh_trace_event *event)
{
	return event->event <= UVHOOKS_EVENT_LOOP_EXIT || event->event == UVH_TRACE_RESOURCE;
}

/*
 * Opens the trace in `path`: a folder of process folders, or one process's. What killed processes
 * left in shared memory is put into their files first. NULL when nothing there can be read: it has
 * said on stderr what is wrong, and what to do.
 */
struct uvh_trace *uvh_trace_open(const char *path);
void uvh_trace_close(struct uvh_trace *trace);

/* The next event; false at the end. */
bool uvh_trace_next(struct uvh_trace *trace, struct uvh_trace_event *event);

/*
 * The window that counts, in nanoseconds since 1970. Nothing behind it is read: at the end,
 * resources and loops stand as they did then. What is before it is, but not counted as time that
 * something ran. Before the first event.
 */
void uvh_trace_window(struct uvh_trace *trace, int64_t from_ns, int64_t to_ns);

/* How much of a time lies in the window. This is where all of them are clipped. */
int64_t uvh_trace_within(const struct uvh_trace *trace, int64_t begin_ns, int64_t end_ns);

/*
 * What still runs at the latest event read, of each thread the innermost first: `visit` gets the
 * event that would end it, as if that came at the end of the window, or of the process's events.
 * Once, when all has been read.
 */
void uvh_trace_for_each_running(struct uvh_trace *trace,
				void (*visit)(const struct uvh_trace_event *event, void *data),
				void *data);

/*
 * Says on stderr, a line each, which parts could not be read and why. Returns how many parts;
 * 0 for a sound trace, and where only a flight recorder has removed some while they were read.
 */
size_t uvh_trace_say_damage(const struct uvh_trace *trace);

size_t uvh_trace_process_count(const struct uvh_trace *trace);
struct uvh_trace_process *uvh_trace_process(const struct uvh_trace *trace, size_t index);
size_t uvh_trace_thread_count(const struct uvh_trace_process *process);
struct uvh_trace_thread *uvh_trace_thread(const struct uvh_trace_process *process, size_t index);

/* How far the reading is, from 0 to 1. */
double uvh_trace_progress(const struct uvh_trace *trace);

/* A resource that is alive at the latest event read, or still remembered; NULL: none. */
struct uvh_trace_resource *uvh_trace_find(const struct uvh_trace *trace,
					  const struct uvh_trace_process *process,
					  uvhooks_async_id id);

/* Calls `visit` for each that is alive at the latest event read. */
void uvh_trace_for_each_live(const struct uvh_trace *trace,
			     void (*visit)(struct uvh_trace_resource *resource, void *data),
			     void *data);

/* `forget` is called when a resource is dropped whose `user` is not NULL. */
void uvh_trace_on_forget(struct uvh_trace *trace, void (*forget)(void *user));

/* A stack of this process; NULL: none has that number. */
const struct uvh_trace_stack *uvh_trace_stack(const struct uvh_trace_process *process,
					      uint32_t number);

/*
 * What `uvhooks record` has kept of an address; NULL: nothing. stack_frames.h knows more: it looks
 * into the files, too.
 */
const struct uvh_trace_line *uvh_trace_lines(const struct uvh_trace_process *process,
					     uint64_t address, size_t *count);

/* The name of a type in this process: "TCPWRAP", or one that the program gave. */
const char *uvh_trace_type_name(const struct uvh_trace_process *process, unsigned int type);

/* The names that this process gave to types, and those of the callbacks that it made known when it
   first met them; NULL behind the last. */
const char *uvh_trace_own_type(const struct uvh_trace_process *process, size_t index);
const char *uvh_trace_known_callback(const struct uvh_trace_process *process, size_t index);

/*
 * The name of a callback: "on_timer", "library.so+0x1234", "0x7f0012345678". The same text as the
 * log plugin writes. Looked up once for each address, in the trace's own symbols and else in the
 * libraries' files, if they are still those that ran (by build id).
 */
const char *uvh_trace_callback_name(const struct uvh_trace_process *process, uint64_t address);

#endif
