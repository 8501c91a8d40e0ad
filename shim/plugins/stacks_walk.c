/* SPDX-License-Identifier: MIT */
/*
 * From function to caller, by rules that are learned once for each return address.
 *
 * Nothing here can fault. What is read lies in pages of the stack that are known to be there: from
 * the one that the stack pointer is in upwards, each page was asked for once, and no page that is
 * missing is passed. So neither a wrong rule nor a frame pointer that is none leads astray; the
 * stack is just shorter.
 *
 * Invariant of the table: an entry is written once, its key last. One whose rule is no longer true
 * gets a key that no address has, and is not used again.
 */
#include "stacks.h"

#include <string.h>
#include <sys/auxv.h>

#define LOG_ENTRIES 15
#define ENTRIES     ((size_t) 1 << LOG_ENTRIES)
#define ENTRIES_MAX (ENTRIES / 4 * 3)
#define PROBES_MAX  64

#define ADDRESS_BITS 48
#define ADDRESS(key) ((key) &UINT64_MAX >> (64 - ADDRESS_BITS))
#define GONE         UINT64_C(1) /* as a key */

/* How far apart two frames may be, and how far the stack pointer may jump down to a new one. */
#define FRAME_MAX ((uintptr_t) 256 << 10)
#define DOWN_MAX  (16 * STACKS_PAGE)

#define ALWAYS_INLINE static inline __attribute__((always_inline)) STACKS_RAW

struct entry {
	_Atomic uint64_t key; /* the return address, above it the hash of its place */
	struct stacks_rule rule;
};

struct range {
	uintptr_t begin, end;
};

static struct entry *entries;
static atomic_uint entries_used;
static struct range plugin, shim, program;

static __thread struct stacks_view own_view __attribute__((tls_model("initial-exec")));

static inline bool is_in(const struct range *range, uintptr_t address)
{
	return address - range->begin < range->end - range->begin;
}

/* Makes the view begin at the page of the stack pointer, or anew, if it was on another stack. */
static void look_down(struct stacks_view *view, uintptr_t sp)
{
	uintptr_t page = sp & -STACKS_PAGE;

	if (sp < view->begin && view->begin - page <= DOWN_MAX) {
		while (view->begin > page && stacks_can_be_read(view->begin - STACKS_PAGE))
			view->begin -= STACKS_PAGE;
		if (view->begin == page)
			return;
	}
	view->begin = page;
	view->end = page + STACKS_PAGE;
	view->wall = 0;
}

/* Makes the view reach to `address` and a word more, if there is that much of a stack. */
static __attribute__((noinline)) bool look_up(struct stacks_view *view, uintptr_t address)
{
	address += sizeof(address);
	if (!view->grows || address < view->end || address - view->end > FRAME_MAX)
		return false;
	while (view->end < address) {
		if (view->end == view->wall)
			return false;
		if (!stacks_can_be_read(view->end)) {
			view->wall = view->end;
			return false;
		}
		view->end += STACKS_PAGE;
	}
	return true;
}

ALWAYS_INLINE bool read_word(struct stacks_view *view, uintptr_t address, uintptr_t *word)
{
	if (STACKS_UNLIKELY(address < view->begin) ||
	    (STACKS_UNLIKELY(address > view->end - sizeof(*word)) && !look_up(view, address)))
		return false;
	memcpy(word, (const void *) (address + (uintptr_t) view->moved), sizeof(*word));
	return true;
}

static inline size_t slot_of(uintptr_t ip)
{
	return (size_t) (ip * UINT64_C(0x9e3779b97f4a7c15) >> (64 - LOG_ENTRIES));
}

/* Under the lock. The free entry of a return address; NULL: it has one, or there is no room. */
static struct entry *free_entry(uintptr_t ip)
{
	if (atomic_load(&entries_used) == ENTRIES_MAX)
		return NULL;
	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct entry *entry = &entries[(slot_of(ip) + i) % ENTRIES];
		uint64_t key = atomic_load(&entry->key);

		if (key == 0)
			return entry;
		if (ADDRESS(key) == ip)
			break;
	}
	return NULL;
}

static void keep(uintptr_t ip, uint16_t place, const struct stacks_rule *rule)
{
	struct stacks_guard guard;
	struct entry *entry;

	stacks_guard_enter(&guard);
	if (stacks_lock(&stacks_learn_lock)) {
		entry = free_entry(ip);
		if (entry != NULL) {
			entry->rule = *rule;
			atomic_store_explicit(&entry->key, ip | (uint64_t) place << ADDRESS_BITS,
					      memory_order_release);
			atomic_fetch_add(&entries_used, 1);
		}
		stacks_unlock(&stacks_learn_lock);
	}
	stacks_guard_leave(&guard);
}

/* The rule of a return address that is in no entry; UNKNOWN if there is none. */
static __attribute__((noinline)) struct stacks_rule rule_of_new(uintptr_t ip)
{
	struct stacks_rule rule = {.cfa = STACKS_UNKNOWN};
	struct stacks_object object;
	int saved_errno = errno;

	/* Code that was made at run time comes and goes, without a word about it. */
	if (ip < STACKS_PAGE || ADDRESS(ip) != ip || !stacks_find_object(ip - 1, &object))
		return rule;
	if (stacks_learn(ip - 1, &object, &rule, NULL))
		keep(ip, stacks_hash_of_place(&object, ip - 1), &rule);
	errno = saved_errno;
	return rule;
}

ALWAYS_INLINE struct stacks_rule rule_of(uintptr_t ip)
{
	const struct entry *entry = &entries[slot_of(ip)];

	for (size_t i = 0; i < PROBES_MAX; i++) {
		uint64_t key = atomic_load_explicit(&entry->key, memory_order_acquire);

		if (STACKS_LIKELY(ADDRESS(key) == ip))
			return entry->rule;
		if (key == 0)
			break;
		entry = entry + 1 == entries + ENTRIES ? entries : entry + 1;
	}
	return rule_of_new(ip);
}

/* One frame up by frame pointers: below the return address lies the caller's. */
ALWAYS_INLINE bool step_by_fp(struct stacks_view *view, struct stacks_registers *at)
{
	uintptr_t fp = at->fp;

	if (fp < at->sp || fp - at->sp > FRAME_MAX || fp % sizeof(fp) != 0 ||
	    !read_word(view, fp + sizeof(fp), &at->ip) || !read_word(view, fp, &at->fp))
		return false;
	at->sp = fp + 2 * sizeof(fp);
	return true;
}

ALWAYS_INLINE bool step_by_rule(struct stacks_view *view, struct stacks_registers *at,
				struct stacks_rule rule)
{
	uintptr_t from, cfa;

	if (STACKS_LIKELY(rule.cfa == STACKS_FROM_SP)) {
		from = at->sp;
	} else {
		if (rule.cfa == STACKS_UNKNOWN)
			return step_by_fp(view, at);
		if (rule.cfa == STACKS_END)
			return false;
		if (STACKS_UNLIKELY(view->finds_fp && at->fp == 0) && rule.cfa == STACKS_FROM_FP)
			at->fp = stacks_guess_fp(view, *at);
		from = rule.cfa == STACKS_AT_SP ? at->sp : at->fp;
	}
	cfa = from + (uintptr_t) (intptr_t) rule.cfa_offset;
	if (STACKS_UNLIKELY(rule.cfa >= STACKS_AT_SP) && !read_word(view, cfa, &cfa))
		return false;
	if (STACKS_UNLIKELY(cfa - at->sp - 1 >= FRAME_MAX || cfa % sizeof(cfa) != 0) ||
	    !read_word(view, cfa - sizeof(cfa), &at->ip))
		return false;
	at->sp = cfa;
	if (rule.fp == STACKS_FP_KEPT)
		return true;
	from = rule.fp == STACKS_FP_BY_CFA ? cfa : at->fp;
	if (rule.fp == STACKS_FP_LOST ||
	    !read_word(view, from + (uintptr_t) (intptr_t) rule.fp_offset, &at->fp))
		at->fp = 0;
	return true;
}

/* To the caller of where `at` is. */
ALWAYS_INLINE bool step(struct stacks_view *view, struct stacks_registers *at)
{
	if (stacks_options.by_frame_pointers && is_in(&program, at->ip) && step_by_fp(view, at))
		return true;
	return step_by_rule(view, at, rule_of(at->ip));
}

/* What is ours, at the top, is not the program's. */
ALWAYS_INLINE size_t walk(struct stacks_view *view, struct stacks_registers at,
			  uintptr_t *addresses, size_t max, bool drops_ours)
{
	size_t count = 0;

	while (count < max && step(view, &at) && at.ip != 0) {
		if (drops_ours && (is_in(&plugin, at.ip) || is_in(&shim, at.ip)))
			continue;
		drops_ours = false;
		addresses[count++] = at.ip;
	}
	return count;
}

__attribute__((noinline)) STACKS_RAW size_t stacks_walk_here(uintptr_t *addresses, size_t max)
{
	struct stacks_view view = own_view;
	struct stacks_registers at;
	size_t count;

	__asm__ volatile("leaq 1f(%%rip), %0\n\t"
			 "movq %%rsp, %1\n\t"
			 "movq %%rbp, %2\n"
			 "1:"
			 : "=&r"(at.ip), "=&r"(at.sp), "=&r"(at.fp));
	view.grows = true;
	if (STACKS_UNLIKELY(!(at.sp >= view.begin && at.sp < view.end)))
		look_down(&view, at.sp);
	count = walk(&view, at, addresses, max, true);
	own_view = view;
	return count;
}

STACKS_RAW size_t stacks_walk_there(struct stacks_view *view, struct stacks_registers registers,
				    uintptr_t *addresses, size_t max)
{
	registers.ip++;
	addresses[0] = registers.ip;
	return 1 + walk(view, registers, addresses + 1, max - 1, false);
}

/* Forgets the rule if the object says something else about the place now. */
static bool is_stale(uintptr_t ip)
{
	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct entry *entry = &entries[(slot_of(ip) + i) % ENTRIES];
		uint64_t key = atomic_load(&entry->key);
		struct stacks_object object;

		if (key == 0)
			break;
		if (ADDRESS(key) != ip || key == GONE)
			continue;
		if (stacks_find_object(ip - 1, &object) &&
		    key >> ADDRESS_BITS == stacks_hash_of_place(&object, ip - 1))
			return false;
		return atomic_compare_exchange_strong(&entry->key, &key, GONE);
	}
	return false;
}

bool stacks_walk_is_stale(const uintptr_t *addresses, size_t count)
{
	bool found = false;

	for (size_t i = 0; i < count; i++)
		found |= is_stale(addresses[i]);
	return found;
}

static struct range range_of(uintptr_t address)
{
	struct stacks_object object;

	if (address == 0 || !stacks_find_object(address, &object))
		return (struct range){0, 0};
	return (struct range){object.begin, object.end};
}

int stacks_walk_start(void)
{
	entries = stacks_reserve(ENTRIES * sizeof(*entries));
	plugin = range_of((uintptr_t) stacks_walk_start);
	shim = range_of((uintptr_t) uvhooks_set_stack_source);
	program = range_of((uintptr_t) getauxval(AT_ENTRY));
	return entries == NULL ? -1 : 0;
}
