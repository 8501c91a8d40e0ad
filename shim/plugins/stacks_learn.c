/* SPDX-License-Identifier: MIT */
/*
 * What libunwind knows, as rules.
 *
 * libunwind can walk by itself, but it reads whatever memory a wrong table leads it to, it takes
 * the loader's lock, and of a library that was unloaded it remembers what is not true any more. So
 * it takes one step only, once for each place in the code, and in a process that does not exist:
 * its stack pointer and its frame pointer are addresses that no memory has, and whatever is read
 * there answers with where it was read from. What the step ends with then says how it was made.
 *
 *	after a step     what that means
 *	sp is SP + 64    CFA = stack pointer + 64
 *	sp is FP + 16    CFA = frame pointer + 16
 *	fp is FP         the caller's frame pointer was not touched
 *	fp was read at   there it was saved
 */
#define UNW_REMOTE_ONLY
#include "stacks.h"

#include <libunwind.h>
#include <string.h>
#include <sys/resource.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define IS_ALONE __libc_single_threaded
#else
#define IS_ALONE false /* the C library does not tell */
#endif

/* The highest byte of an address says where it is, and how often it was read: no code is there. */
#define SP    (UINT64_C(1) << 56)
#define FP    (UINT64_C(2) << 56)
#define OTHER (UINT64_C(4) << 56)
#define READ  (UINT64_C(16) << 56)

#define BASE(value)   ((value) &UINT64_C(0xff) << 56)
#define MIDDLE        (UINT64_C(1) << 40) /* offsets may be negative */
#define OFFSET(value) ((int64_t) ((value) & ~(UINT64_C(0xff) << 56)) - (int64_t) MIDDLE)

/* libunwind has it for who has an address space of its own, without a declaration. */
extern int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t ip,
					      unw_dyn_info_t *info, unw_proc_info_t *found,
					      int need_unwind_info, void *argument);

/* The step that is being made. */
struct lesson {
	uintptr_t ip;
	uintptr_t function;
	struct stacks_object object;
	uintptr_t page; /* was read already */
	bool told;      /* the object says something about it */
};

static unw_addr_space_t space;

static int find_proc_info(unw_addr_space_t where, unw_word_t ip, unw_proc_info_t *found, int need,
			  void *argument)
{
	struct lesson *lesson = argument;
	const struct stacks_table *table =
	    (const struct stacks_table *) lesson->object.unwind_table;
	unw_dyn_info_t info;
	int result;

	if (table == NULL || !stacks_is_known_table(table))
		return -UNW_ENOINFO;
	memset(&info, 0, sizeof(info));
	info.format = UNW_INFO_FORMAT_REMOTE_TABLE;
	info.start_ip = lesson->object.begin;
	info.end_ip = lesson->object.end;
	info.u.rti.segbase = (unw_word_t) table;
	info.u.rti.table_data = (unw_word_t) table->entries;
	info.u.rti.table_len = table->count * sizeof(table->entries[0]) / sizeof(unw_word_t);
	result = UNW_OBJ(dwarf_search_unwind_table)(where, ip, &info, found, need, argument);
	if (result == 0) {
		lesson->told = true;
		lesson->function = found->start_ip;
	}
	return result;
}

/* What the search allocates is freed by who else searches. */
static void put_unwind_info(unw_addr_space_t where, unw_proc_info_t *info, void *argument)
{
	(void) where;
	unw_get_accessors(unw_local_addr_space)
	    ->put_unwind_info(unw_local_addr_space, info, argument);
}

static int get_dyn_info_list_addr(unw_addr_space_t where, unw_word_t *address, void *argument)
{
	(void) where;
	(void) address;
	(void) argument;
	return -UNW_ENOINFO;
}

/* There may be gaps in an object, and what is taken for a return address may lie there. */
static bool is_readable(struct lesson *lesson, uintptr_t address)
{
	uintptr_t last = address + sizeof(unw_word_t) - 1;

	if (address < lesson->object.begin || last >= lesson->object.end)
		return false;
	if (address / STACKS_PAGE == lesson->page && last / STACKS_PAGE == lesson->page)
		return true;
	if (!stacks_can_be_read(address))
		return false;
	lesson->page = last / STACKS_PAGE;
	return true;
}

/* Words are read at any address: those of tables are not aligned. */
static int access_mem(unw_addr_space_t where, unw_word_t address, unw_word_t *value, int write,
		      void *argument)
{
	struct lesson *lesson = argument;

	(void) where;
	if (write)
		return -UNW_EREADONLYREG;
	if (BASE(address) != 0) {
		*value = address + READ;
		return 0;
	}
	if (!is_readable(lesson, address))
		return -UNW_EINVAL;
	memcpy(value, (const void *) address, sizeof(*value));
	return 0;
}

static int access_reg(unw_addr_space_t where, unw_regnum_t number, unw_word_t *value, int write,
		      void *argument)
{
	const struct lesson *lesson = argument;

	(void) where;
	if (write)
		return -UNW_EREADONLYREG;
	switch (number) {
	case UNW_X86_64_RIP:
		*value = lesson->ip;
		break;
	case UNW_X86_64_RSP:
		*value = SP + MIDDLE;
		break;
	case UNW_X86_64_RBP:
		*value = FP + MIDDLE;
		break;
	default:
		*value = OTHER + MIDDLE;
	}
	return 0;
}

static int access_fpreg(unw_addr_space_t where, unw_regnum_t number, unw_fpreg_t *value, int write,
			void *argument)
{
	(void) where;
	(void) number;
	(void) value;
	(void) write;
	(void) argument;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t where, unw_cursor_t *cursor, void *argument)
{
	(void) where;
	(void) cursor;
	(void) argument;
	return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t where, unw_word_t address, char *name, size_t bytes,
			 unw_word_t *offset, void *argument)
{
	(void) where;
	(void) address;
	(void) name;
	(void) bytes;
	(void) offset;
	(void) argument;
	return -UNW_ENOINFO;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = get_dyn_info_list_addr,
    .access_mem = access_mem,
    .access_reg = access_reg,
    .access_fpreg = access_fpreg,
    .resume = resume,
    .get_proc_name = get_proc_name,
};

static bool read_cfa(uint64_t cfa, struct stacks_rule *rule)
{
	int64_t offset = OFFSET(cfa);

	switch (BASE(cfa)) {
	case SP:
		rule->cfa = STACKS_FROM_SP;
		break;
	case FP:
		rule->cfa = STACKS_FROM_FP;
		break;
	case SP + READ:
		rule->cfa = STACKS_AT_SP;
		break;
	case FP + READ:
		rule->cfa = STACKS_AT_FP;
		break;
	default:
		return false;
	}
	rule->cfa_offset = (int32_t) offset;
	return rule->cfa_offset == offset;
}

static void read_fp(uint64_t fp, uint64_t cfa, struct stacks_rule *rule)
{
	int64_t offset = 0;

	if (fp == FP + MIDDLE) {
		rule->fp = STACKS_FP_KEPT;
	} else if (BASE(fp) == BASE(cfa) + READ) {
		rule->fp = STACKS_FP_BY_CFA;
		offset = (int64_t) (fp - READ - cfa);
	} else if (BASE(fp) == FP + READ) {
		rule->fp = STACKS_FP_BY_FP;
		offset = OFFSET(fp);
	} else {
		rule->fp = STACKS_FP_LOST;
	}
	rule->fp_offset = (int16_t) offset;
	if (rule->fp_offset != offset)
		rule->fp = STACKS_FP_LOST;
}

/* One step. False: libunwind did not make it, or it is none that a rule can say. */
static bool step(struct lesson *lesson, struct stacks_rule *rule)
{
	unw_word_t ip, cfa, fp;
	unw_cursor_t cursor;
	int more;

	if (unw_init_remote(&cursor, space, lesson) != 0)
		return false;
	more = unw_step(&cursor);
	if (!lesson->told || more < 0)
		return false;
	if (more == 0) {
		rule->cfa = STACKS_END;
		return true;
	}
	if (unw_get_reg(&cursor, UNW_REG_IP, &ip) != 0 ||
	    unw_get_reg(&cursor, UNW_REG_SP, &cfa) != 0 || !read_cfa(cfa, rule) ||
	    ip != cfa - sizeof(uintptr_t) + READ)
		return false;
	if (unw_get_reg(&cursor, UNW_X86_64_RBP, &fp) != 0)
		fp = 0;
	read_fp(fp, cfa, rule);
	return true;
}

bool stacks_learn(uintptr_t ip, const struct stacks_object *object, struct stacks_rule *rule,
		  uintptr_t *function)
{
	struct lesson lesson = {.ip = ip, .object = *object};
	struct stacks_guard guard;
	bool asked;

	*rule = (struct stacks_rule){0};
	stacks_guard_enter(&guard);
	asked = stacks_lock(&stacks_learn_lock);
	if (asked) {
		if (!step(&lesson, rule))
			rule->cfa = STACKS_UNKNOWN;
		stacks_unlock(&stacks_learn_lock);
	}
	stacks_guard_leave(&guard);
	if (function != NULL)
		*function = lesson.function;
	return asked;
}

/*
 * When it is first used, libunwind opens a pipe, by which it would ask for memory that may be
 * missing. That is never done here, and the numbers of descriptors are the program's: so no more of
 * them can be had at that moment. If there are threads already they would see that, and the pipe
 * stays.
 */
static void use(void)
{
	struct stacks_object object;
	struct stacks_rule rule;

	space = unw_create_addr_space(&accessors, 0);
	if (space == NULL)
		return;
	unw_set_caching_policy(space, UNW_CACHE_NONE);
	if (stacks_find_object((uintptr_t) use, &object))
		stacks_learn((uintptr_t) use, &object, &rule, NULL);
}

int stacks_learn_start(void)
{
	struct rlimit limit, none;
	bool is_limited = false;

	if (IS_ALONE && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
		is_limited = setrlimit(RLIMIT_NOFILE, &none) == 0;
	}
	use();
	if (is_limited)
		setrlimit(RLIMIT_NOFILE, &limit);
	return space == NULL ? -1 : 0;
}
