/* SPDX-License-Identifier: MIT */
/*
 * The lua plugin: the Lua functions that run where a stack is taken, for PUC Lua 5.1 to 5.4 and
 * LuaJIT, in any program: an annotator (see uvhooks/stacks.h).
 *
 * A coroutine that runs has a stack of its own. It is found from the main thread on: if what a
 * thread called last is a function in C, as coroutine.resume and what coroutine.wrap makes are, and
 * has a coroutine as its first argument or upvalue that has begun and does not wait, then that one
 * goes on from there.
 *
 * Of another thread, as in a stall, nothing is told: it changes its stack meanwhile.
 */
#include "lua.h"

#include <string.h>
#include <uvhooks/plugin.h>

#include "interpreter.h"

#define COROUTINES         16  /* that resumed one another */
#define LEVELS             200 /* of one stack: functions in C count, too */
#define FRAMES             64 /* of chunks without a file, whose names are kept until the next call */
#define SHORT_SOURCE_BYTES 60

/* Where lua_Debug has the line and the short text of the source. */
struct debug_layout {
	size_t line;
	size_t short_source;
};

static const struct debug_layout debug_before_5_4 = {40, 56};
static const struct debug_layout debug_5_4 = {48, 68};

/* What stands for the first upvalue of the function that runs. */
#define UPVALUE_1_OF_5_1 (-10003)
#define UPVALUE_1_LATER  (-1001001)

struct lua_functions lua_functions;

static const char *const names[] = {
#define XX(name, result, arguments) #name,
    LUA_REQUIRED(XX) LUA_OTHERS(XX)
#undef XX
};

static struct interpreter interpreter = {
    .names = names,
    .functions = (void **) &lua_functions,
    .count = sizeof(names) / sizeof(names[0]),
#define XX(name, result, arguments) +1
    .required = 0 LUA_REQUIRED(XX),
#undef XX
};

_Static_assert(sizeof(struct lua_functions) == sizeof(names), "a name for each function");

/* What is being written; `texts` are for the sources of chunks that are no files. */
struct frames {
	struct uvhooks_frame *frame;
	size_t count;
	size_t max;
	size_t texts;
};

static __thread char short_sources[FRAMES][SHORT_SOURCE_BYTES];

/*
 * Does the native stack go through the object that has Lua? `jit`: it goes through code that was
 * made at run time. LuaJIT's keeps the stack of Lua in registers, so that nobody can read it; it
 * calls C by way of the FFI only.
 */
static bool goes_through_lua(const struct uvhooks_place *place, bool *jit)
{
	uintptr_t lua = interpreter_object_of((uintptr_t) lua_functions.lua_getstack);
	bool met = false;

	*jit = false;
	for (size_t i = 0; i < place->address_count && !*jit; i++) {
		uintptr_t object = interpreter_object_of(place->addresses[i] - 1);

		met = met || object == lua;
		*jit = object == 0;
	}
	return met;
}

static bool is_in_c(struct lua_state *state, struct lua_debug *debug)
{
	return lua_functions.lua_getstack(state, 0, debug) != 0 &&
	       lua_functions.lua_getinfo(state, "S", debug) != 0 && debug->what[0] == 'C';
}

/* Has it begun, and neither ended nor yielded? */
static bool is_running(struct lua_state *coroutine)
{
	struct lua_debug debug;

	return lua_functions.lua_status(coroutine) == 0 &&
	       lua_functions.lua_getstack(coroutine, 0, &debug) != 0;
}

/* The first upvalue of the function in C that runs, if it is a coroutine. */
static struct lua_state *first_upvalue(struct lua_state *state)
{
	if (lua_functions.lua_absindex == NULL)
		return lua_functions.lua_tothread(state, UPVALUE_1_OF_5_1);
	/* It stands for a place on the stack where Lua was built for larger ones. */
	if (lua_functions.lua_absindex(state, UPVALUE_1_LATER) != UPVALUE_1_LATER)
		return NULL;
	return lua_functions.lua_tothread(state, UPVALUE_1_LATER);
}

/* The coroutine that `state` resumed and that has not come back; NULL: none. */
static struct lua_state *resumed_by(struct lua_state *state)
{
	struct lua_state *coroutine;
	struct lua_debug debug;

	if (!is_in_c(state, &debug))
		return NULL;
	coroutine = lua_functions.lua_tothread(state, 1);
	if (coroutine == NULL)
		coroutine = first_upvalue(state);
	return coroutine != NULL && is_running(coroutine) ? coroutine : NULL;
}

static const char *file_of(const struct debug_layout *layout, const struct lua_debug *debug,
			   struct frames *frames)
{
	char *text;

	if (debug->source[0] == '@' || debug->source[0] == '=')
		return debug->source + 1;
	if (frames->texts == FRAMES)
		return "";
	text = short_sources[frames->texts++];
	memcpy(text, (const char *) debug + layout->short_source, SHORT_SOURCE_BYTES);
	text[SHORT_SOURCE_BYTES - 1] = '\0';
	return text;
}

static void add_frame(struct frames *frames, const struct lua_debug *debug)
{
	const struct debug_layout *layout =
	    lua_functions.lua_setwarnf != NULL ? &debug_5_4 : &debug_before_5_4;
	int line;

	/* A function in C, or one whose frame a tail call took; or the chunk has no lines. */
	memcpy(&line, (const char *) debug + layout->line, sizeof(line));
	if (line <= 0)
		return;
	frames->frame[frames->count++] = (struct uvhooks_frame){
	    .function = strcmp(debug->what, "main") == 0 ? "main chunk" : debug->name,
	    .file = file_of(layout, debug, frames),
	    .line = (uint32_t) line,
	};
}

static void add_frames_of(struct frames *frames, struct lua_state *state)
{
	struct lua_debug debug;

	for (int level = 0; level < LEVELS && frames->count < frames->max; level++) {
		if (lua_functions.lua_getstack(state, level, &debug) == 0 ||
		    lua_functions.lua_getinfo(state, "nSl", &debug) == 0)
			return;
		add_frame(frames, &debug);
	}
}

/* Writes the coroutines that run, the main thread first, and returns how many. */
static size_t running_coroutines(struct lua_state *main, struct lua_state **states)
{
	size_t count = 0;

	for (struct lua_state *next = main; next != NULL && count < COROUTINES;) {
		for (size_t i = 0; i < count; i++)
			if (states[i] == next)
				return count;
		states[count++] = next;
		next = resumed_by(next);
	}
	return count;
}

static size_t annotate(const struct uvhooks_place *place, struct uvhooks_frame *to, size_t max,
		       void *data)
{
	struct frames frames = {.frame = to, .max = max};
	struct lua_state *states[COROUTINES];
	struct lua_state *main;
	bool met, jit;
	size_t count;

	(void) data;
	if (place->thread_id != 0 || !interpreter_found(&interpreter))
		return 0;
	met = goes_through_lua(place, &jit);
	if (lua_functions.luaJIT_setmode != NULL && (!met || jit))
		return 0;
	main = lua_running_main(place, met);
	if (main == NULL)
		return 0;
	count = running_coroutines(main, states);
	while (count > 0)
		add_frames_of(&frames, states[--count]);
	return frames.count;
}

static int lua_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_annotator annotator = {
	    .size = sizeof(annotator),
	    .language = "Lua",
	    .annotate = annotate,
	};
	int error;

	if (args->count != 0)
		return uvhooks_plugin_error(args, "unknown option '%s'; lua takes none",
					    args->options[0].key);
	if (args->dry_run)
		return 0;
	error = uvhooks_add_annotator(&annotator);
	if (error != 0)
		return uvhooks_plugin_error(args, "it cannot be added: %s", strerror(-error));
	return 0;
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "lua",
    .summary = "adds the functions of Lua to stacks",
    .init = lua_init,
};
