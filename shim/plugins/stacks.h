/* SPDX-License-Identifier: MIT */
/*
 * The stacks plugin: what its files share.
 *
 * Taking a stack that was taken before is the hot path: a walk by rules that are known, and a look
 * into a table. It takes no lock, calls nothing of libc, and touches no memory that is not known to
 * be there. All else is the slow path: a place in the code that was never seen (libunwind reads
 * what the compiler says about it), a stack that was never seen. It runs with signals blocked and
 * cancellation off.
 */
#ifndef STACKS_H
#define STACKS_H

#include <stdatomic.h>
#include <stddef.h>
#include <uvhooks/plugin.h>
#include <uvhooks/stacks.h>

#define STACKS_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define STACKS_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* For what reads memory that others write, or that lies between variables. */
#define STACKS_RAW __attribute__((no_sanitize_address, no_sanitize_thread))

#define STACKS_PAGE ((uintptr_t) 4096)

#define STACKS_DEPTH_MAX  128
#define STACKS_FRAMES_MAX 16 /* of a script, in one stack */

/* Embedders' types, whose numbers are any, stand behind all others. */
#define STACKS_NAMED_TYPES UVHOOKS_TYPE_MAX

/* stacks_options.c: what they mean stands in stacks.c. */
struct stacks_options {
	uint32_t sample; /* 1/N */
	uint32_t depth;
	uint32_t max;
	uint32_t watchdog_ms; /* 0: none */
	bool at_init, at_start;
	bool by_frame_pointers;
	bool some_types; /* else all */
	bool types[STACKS_NAMED_TYPES + 1];
};

extern struct stacks_options stacks_options;

extern const struct stacks_options stacks_options_usual;

/* What is not named stays as it is in `options`. 0, or -1 and the reason in `args`. */
int stacks_options_read(struct uvhooks_plugin_args *args, struct stacks_options *options);

/* stacks_slow.c: what must hold on the slow path. */
struct stacks_guard {
	char signals[128]; /* sigset_t */
	int cancel;
	int saved_errno;
};

void stacks_guard_enter(struct stacks_guard *guard);
void stacks_guard_leave(const struct stacks_guard *guard);

/*
 * Held for microseconds, with signals blocked. Whoever waits longer than that is in the child of a
 * fork that libc did not see, or a thread has been killed: false then, and the stack is lost.
 */
bool stacks_lock(atomic_uint *lock);
void stacks_unlock(atomic_uint *lock);

/* The child of a fork has them free, and what they guard is whole. 0, or -1. */
int stacks_slow_start(void);

extern atomic_uint stacks_learn_lock, stacks_store_lock;

/* Memory that takes as much as is written to it. NULL if there is none. */
void *stacks_reserve(size_t bytes);

/*
 * Can the 8 bytes at an address be read? The kernel says so without a signal: of a call that is
 * wrong anyhow it reads the set of signals first. Changes errno.
 */
bool stacks_can_be_read(uintptr_t address);

/* Stacks that should have been kept, and were not. */
extern _Atomic uint64_t stacks_lost;

/* stacks_object.c: the loaded object in which an address lies. */
struct stacks_object {
	uintptr_t begin, end;
	uintptr_t unwind_table; /* its .eh_frame_hdr; 0: it has none */
};

bool stacks_find_object(uintptr_t address, struct stacks_object *object);

/* Its table, where it is of the kind that linkers make. Offsets count from the table. */
struct stacks_table {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
	struct {
		int32_t function, description;
	} entries[]; /* by `function` */
};

static inline bool stacks_is_known_table(const struct stacks_table *table)
{
	return table->version == 1 && table->frame_encoding == 0x1b &&
	       table->count_encoding == 0x03 && table->table_encoding == 0x3b;
}

/*
 * Of what the object says about a place: another one may be loaded where it was. Less than 1 << 15,
 * and never 0.
 */
uint16_t stacks_hash_of_place(const struct stacks_object *object, uintptr_t ip);

/*
 * stacks_learn.c: how to get from a function to its caller, where the registers are those at the
 * call. The canonical frame address (CFA) is the stack pointer of the caller; the return address
 * lies below it.
 */
enum stacks_cfa {
	STACKS_UNKNOWN, /* nothing is known about this place: no rule */
	STACKS_END,     /* it has no caller */
	STACKS_FROM_SP, /* CFA = stack pointer + cfa_offset */
	STACKS_FROM_FP, /* CFA = frame pointer + cfa_offset */
	STACKS_AT_SP,   /* CFA = what lies at stack pointer + cfa_offset */
	STACKS_AT_FP,   /* CFA = what lies at frame pointer + cfa_offset */
};

/* Where the caller's frame pointer is. */
enum stacks_fp {
	STACKS_FP_KEPT,
	STACKS_FP_BY_CFA, /* in memory, at CFA + fp_offset */
	STACKS_FP_BY_FP,  /* in memory, at frame pointer + fp_offset */
	STACKS_FP_LOST,
};

struct stacks_rule {
	int32_t cfa_offset;
	int16_t fp_offset;
	uint8_t cfa; /* enum stacks_cfa */
	uint8_t fp;  /* enum stacks_fp */
};

int stacks_learn_start(void);

/*
 * Reads what the compiler says about the instruction at `ip`; `function`, which may be NULL, is
 * where its function begins, 0 where that is unknown. Slow, and takes a lock; false if it could
 * not.
 */
bool stacks_learn(uintptr_t ip, const struct stacks_object *object, struct stacks_rule *rule,
		  uintptr_t *function);

/* stacks_walk.c */
struct stacks_registers {
	uintptr_t ip, sp, fp;
};

/* Memory of a stack that can be read: from `begin` until before `end`, where it lies or as a copy.
 */
struct stacks_view {
	uintptr_t begin, end;
	uintptr_t wall;  /* cannot be read; 0: unknown */
	ptrdiff_t moved; /* from an address to its copy */
	bool grows;      /* it is this thread's own, of which more may be found */
	bool finds_fp;   /* the frame pointer is not known at first, and may be guessed */
};

int stacks_walk_start(void);

/* The stack of the calling thread. Returns how many addresses. */
size_t stacks_walk_here(uintptr_t *addresses, size_t max);

/*
 * The stack of another thread. The first address is that of the instruction that it is at, and 1
 * more, so that all addresses are read the same way.
 */
size_t stacks_walk_there(struct stacks_view *view, struct stacks_registers registers,
			 uintptr_t *addresses, size_t max);

/* Has any of the addresses got there by a rule of code that is gone? Then these are forgotten. */
bool stacks_walk_is_stale(const uintptr_t *addresses, size_t count);

/*
 * stacks_store.c: stacks by number. What `stacks_find` does not find, it says 0, `stacks_keep`
 * keeps; 0: there is no room, which it has counted.
 */
int stacks_store_start(void);
bool stacks_is_full(void);
uint32_t stacks_find(const uintptr_t *addresses, size_t address_count,
		     const struct uvhooks_frame *frames, size_t frame_count, uint64_t *hash);
uint32_t stacks_keep(const uintptr_t *addresses, size_t address_count,
		     const struct uvhooks_frame *frames, size_t frame_count, uint64_t hash);
int stacks_read(uint32_t number, struct uvhooks_stack *stack, void *data);

/*
 * stacks_look.c: the stack of another thread, as it is now; 0: it could not be had, which is
 * counted. On one thread at a time.
 */
int stacks_look_start(void);
size_t stacks_look_at(unsigned int thread_id, uintptr_t *addresses, size_t max);
bool stacks_is_alive(unsigned int thread_id);

/* stacks_guess.c */
uintptr_t stacks_guess_fp(const struct stacks_view *view, struct stacks_registers at);

/* stacks_watchdog.c. 0, or -1 and the reason in `args`. */
int stacks_watchdog_start(struct uvhooks_plugin_args *args);

/* Once stacks_options.watchdog_ms is 0; it can be started again. */
void stacks_watchdog_stop(void);

/* stacks_store.c: how many there are. */
uint32_t stacks_count(void);

#endif
