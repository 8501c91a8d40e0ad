/* SPDX-License-Identifier: MIT */
/*
 * Finding the state that runs on this thread.
 *
 * Nothing in the process says which one it is, but who runs it has it at hand: the interpreter is
 * somewhere up the native stack and needs its lua_State when the function that it called returns.
 * So it is among the words of that stack. What the words point to is read by the kernel's leave
 * (process_vm_readv fails where a load would crash), and is a state only if all of this holds:
 *
 * - it has the tag of a thread, and points to a global state;
 * - the global state lies directly behind a thread, the main one, which points to it, and it points
 *   back to that one.
 *
 * A main thread that was found once is kept, for the thread that it was found on. It runs here if
 * it still points to its global state and one of its words points into this thread's stack above
 * us: where an error would jump to (errorJmp; cframe in LuaJIT). That is NULL after lua_close() and
 * another thread's stack if it runs there.
 *
 * To ask the kernel each time would take most of the time that there is. So what was found out is
 * taken to be true for as long as the call that catches errors goes on, as the stack shows it:
 * there is still its return address, which the native stack that we were given still goes through,
 * and the state beside it.
 */
#include "lua.h"

#include <pthread.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define WORDS_SCANNED   8192 /* of the stack */
#define WORDS_OF_THREAD 64   /* a lua_State is smaller */
#define WORDS_OF_GLOBAL 256
#define KEPT            4  /* main threads, for each thread */
#define REJECTED        64 /* words that were looked at and are no states */
#define PAGE_BYTES      4096
#define WORDS_BESIDE    64 /* of the stack, around where errors are caught */

/* Where no state was found so often, only every so many-th question looks again. */
#define MISSED_OFTEN       64
#define MISSED_OFTEN_EVERY 16

/* Looks at words of the stack that belong to others. */
#define NOT_SANITIZED __attribute__((no_sanitize("address")))

struct layout {
	unsigned char tag_offset;
	unsigned char tag; /* LUA_TTHREAD; in LuaJIT its complement */
	unsigned char global_offset;
	unsigned char pointer_bytes;
};

/* The headers of a lua_State: PUC Lua 5.1, 5.2 to 5.4, LuaJIT with LJ_GC64 and without it. */
static const struct layout puc_5_1 = {8, 8, 32, 8};
static const struct layout puc_later = {8, 8, 24, 8};
static const struct layout luajit_64 = {9, 6, 16, 8};
static const struct layout luajit_32 = {5, 6, 8, 4};

struct main_thread {
	const struct layout *layout; /* NULL: none is kept here */
	uintptr_t thread;
	uintptr_t global;
	/* Where it was seen to run last, or 0; then a word of the stack that is `thread`, and one
	   that is the return address of the call that catches errors. */
	uintptr_t runs_at;
	const uintptr_t *state;
	const uintptr_t *caller;
	uintptr_t return_address;
};

struct native_stack {
	uintptr_t start;
	uintptr_t end; /* 0: not known yet; 1: cannot be known */
	unsigned int missed;
	unsigned int next; /* of `kept`, to be replaced */
	struct main_thread kept[KEPT];
};

static __thread struct native_stack native_stack;

/* A program may have stacks of its own, for coroutines in C: of these nothing is known. */
static bool is_in_stack_of_thread(uintptr_t here)
{
	pthread_attr_t attributes;
	void *start;
	size_t bytes;

	if (native_stack.end == 0) {
		native_stack.end = 1;
		if (pthread_getattr_np(pthread_self(), &attributes) != 0)
			return false;
		if (pthread_attr_getstack(&attributes, &start, &bytes) == 0) {
			native_stack.start = (uintptr_t) start;
			native_stack.end = (uintptr_t) start + bytes;
		}
		pthread_attr_destroy(&attributes);
	}
	return here >= native_stack.start && here < native_stack.end;
}

/* Reads from this process; how many bytes could be had, up to the first page that is not there. */
static size_t read_safely(uintptr_t address, void *to, size_t bytes)
{
	struct iovec local = {to, bytes};
	struct iovec remote[2] = {{(void *) address, bytes}};
	size_t in_page = PAGE_BYTES - address % PAGE_BYTES;
	ssize_t done;

	if (bytes > in_page) {
		remote[0].iov_len = in_page;
		remote[1] = (struct iovec){(void *) (address + in_page), bytes - in_page};
	}
	done = process_vm_readv(getpid(), &local, 1, remote, bytes > in_page ? 2 : 1, 0);
	return done < 0 ? 0 : (size_t) done;
}

static uintptr_t pointer_at(const void *bytes, size_t size)
{
	uint32_t half;
	uintptr_t whole;

	if (size == sizeof(half)) {
		memcpy(&half, bytes, sizeof(half));
		return half;
	}
	memcpy(&whole, bytes, sizeof(whole));
	return whole;
}

static bool may_be_pointer(uintptr_t word)
{
	return word % sizeof(uintptr_t) == 0 && word > 0xffff && word >> 48 == 0;
}

/* The global state that the header of a thread points to; 0: it is no thread. */
static uintptr_t global_of_header(const struct layout *layout, const unsigned char *header)
{
	uintptr_t global;

	if (header[layout->tag_offset] != layout->tag)
		return 0;
	global = pointer_at(header + layout->global_offset, layout->pointer_bytes);
	return may_be_pointer(global) ? global : 0;
}

static uintptr_t global_of(const struct layout *layout, uintptr_t thread)
{
	unsigned char header[48];

	return read_safely(thread, header, sizeof(header)) == sizeof(header)
		   ? global_of_header(layout, header)
		   : 0;
}

/* The main thread of a global state, which points to it and is directly in front of it. */
static uintptr_t main_thread_of(const struct layout *layout, uintptr_t global)
{
	unsigned char bytes[WORDS_OF_GLOBAL * sizeof(uintptr_t)];
	size_t count = read_safely(global, bytes, sizeof(bytes));

	for (size_t at = 0; at + layout->pointer_bytes <= count; at += layout->pointer_bytes) {
		uintptr_t thread = pointer_at(bytes + at, layout->pointer_bytes);

		if (may_be_pointer(thread) && thread < global &&
		    global - thread < WORDS_OF_THREAD * sizeof(uintptr_t) &&
		    global_of(layout, thread) == global)
			return thread;
	}
	return 0;
}

/*
 * Where up the native stack the state goes on if there is an error; 0: it does not run here. One
 * that is no state any more is forgotten.
 */
static uintptr_t error_is_caught_at(struct main_thread *main, uintptr_t here)
{
	uintptr_t words[WORDS_OF_THREAD];
	size_t bytes = main->global - main->thread;
	uintptr_t innermost = 0;

	if (read_safely(main->thread, words, bytes) != bytes ||
	    global_of_header(main->layout, (const unsigned char *) words) != main->global) {
		main->layout = NULL;
		return 0;
	}
	for (size_t i = 0; i < bytes / sizeof(words[0]); i++)
		if (words[i] > here && words[i] < native_stack.end &&
		    (innermost == 0 || words[i] < innermost))
			innermost = words[i];
	return innermost;
}

static bool is_in(const struct uvhooks_place *place, uintptr_t address)
{
	for (size_t i = 0; i < place->address_count; i++)
		if (place->addresses[i] == address)
			return true;
	return false;
}

/* Does it run where it ran, by what the stack shows? Words of the stack above us can be read. */
NOT_SANITIZED static bool still_runs(const struct main_thread *main,
				     const struct uvhooks_place *place, uintptr_t here)
{
	return main->runs_at != 0 && (uintptr_t) main->state > here &&
	       (uintptr_t) main->caller > here && *main->state == main->thread &&
	       *main->caller == main->return_address && is_in(place, main->return_address);
}

/* Remembers what still_runs() goes by, if it is there. */
NOT_SANITIZED static void remember(struct main_thread *main, const struct uvhooks_place *place,
				   uintptr_t here, uintptr_t runs_at)
{
	const uintptr_t *catcher = (const uintptr_t *) (runs_at & ~(sizeof(uintptr_t) - 1));
	const uintptr_t *first = catcher - WORDS_BESIDE, *end = catcher + WORDS_BESIDE;

	main->runs_at = 0;
	main->caller = NULL;
	main->state = NULL;
	if ((uintptr_t) first < here)
		first = (const uintptr_t *) here;
	if ((uintptr_t) end > native_stack.end)
		end = (const uintptr_t *) native_stack.end;
	for (const uintptr_t *word = catcher; word < end && main->caller == NULL; word++)
		if (is_in(place, *word))
			main->caller = word;
	for (const uintptr_t *word = first; word < end && main->state == NULL; word++)
		if (*word == main->thread)
			main->state = word;
	if (main->caller == NULL || main->state == NULL)
		return;
	main->return_address = *main->caller;
	main->runs_at = runs_at;
}

/* As error_is_caught_at(), but asks the kernel only if the stack does not tell. */
static uintptr_t runs_at(struct main_thread *main, const struct uvhooks_place *place,
			 uintptr_t here)
{
	uintptr_t at;

	if (still_runs(main, place, here))
		return main->runs_at;
	at = error_is_caught_at(main, here);
	if (at != 0)
		remember(main, place, here, at);
	return at;
}

static struct main_thread *innermost_kept(const struct uvhooks_place *place, uintptr_t here)
{
	struct main_thread *found = NULL;
	uintptr_t found_at = 0;

	for (size_t i = 0; i < KEPT; i++) {
		struct main_thread *main = &native_stack.kept[i];
		uintptr_t at = main->layout != NULL ? runs_at(main, place, here) : 0;

		if (at != 0 && (found == NULL || at < found_at)) {
			found = main;
			found_at = at;
		}
	}
	return found;
}

static bool is_kept(uintptr_t thread, uintptr_t global)
{
	for (size_t i = 0; i < KEPT; i++)
		if (native_stack.kept[i].layout != NULL && native_stack.kept[i].thread == thread &&
		    native_stack.kept[i].global == global)
			return true;
	return false;
}

/* Is this word a thread of a state that was not known? Then its main thread is kept. */
static bool keep_if_state(const struct layout *layout, uintptr_t word)
{
	uintptr_t global = global_of(layout, word);
	uintptr_t thread = global != 0 ? main_thread_of(layout, global) : 0;

	if (thread == 0 || is_kept(thread, global))
		return false;
	native_stack.kept[native_stack.next++ % KEPT] =
	    (struct main_thread){.layout = layout, .thread = thread, .global = global};
	return true;
}

static bool is_state(uintptr_t word)
{
	if (lua_functions.luaJIT_setmode != NULL)
		return keep_if_state(&luajit_64, word) || keep_if_state(&luajit_32, word);
	return keep_if_state(lua_functions.lua_absindex == NULL ? &puc_5_1 : &puc_later, word);
}

static uintptr_t frame_of(const void *frame)
{
	return (uintptr_t) frame & ~(sizeof(uintptr_t) - 1);
}

/*
 * Looks for a state in the words of the stack, from its own frame outwards, until one of them runs.
 * The caller's registers are in its frame.
 */
__attribute__((noinline)) NOT_SANITIZED static struct main_thread *
find_in_stack(const struct uvhooks_place *place)
{
	uintptr_t here = frame_of(__builtin_frame_address(0));
	uintptr_t rejected[REJECTED] = {0};
	const uintptr_t *words = (const uintptr_t *) here;
	size_t count = (native_stack.end - here) / sizeof(words[0]);

	if (native_stack.missed > MISSED_OFTEN && native_stack.missed % MISSED_OFTEN_EVERY != 0) {
		native_stack.missed++;
		return NULL;
	}
	for (size_t i = 0; i < count && i < WORDS_SCANNED; i++) {
		uintptr_t word = words[i];
		uintptr_t *seen = &rejected[word / 16 % REJECTED];

		if (!may_be_pointer(word) || *seen == word ||
		    (word >= here && word < native_stack.end))
			continue;
		*seen = word;
		if (is_state(word) && innermost_kept(place, here) != NULL)
			return innermost_kept(place, here);
	}
	native_stack.missed++;
	return NULL;
}

struct lua_state *lua_running_main(const struct uvhooks_place *place, bool may_be_new)
{
	uintptr_t here = frame_of(__builtin_frame_address(0));
	struct main_thread *main;

	__builtin_unwind_init();

	if (!is_in_stack_of_thread(here))
		return NULL;
	main = innermost_kept(place, here);
	if (main == NULL && may_be_new)
		main = find_in_stack(place);
	return main != NULL ? (struct lua_state *) main->thread : NULL;
}
