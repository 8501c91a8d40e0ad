/* SPDX-License-Identifier: MIT */
/*
 * A program with Lua inside, from the library that is named: it asks for the frames before there is
 * a state, from states that call one another, from a thread that has one at hand which runs
 * elsewhere, and when all are closed.
 */
#include <pthread.h>
#include <string.h>

#include "embeds.h"

struct lua_state;

static struct lua_state *(*new_state)(void);
static void (*open_libraries)(struct lua_state *);
static int (*load)(struct lua_state *, const char *, size_t, const char *);
static int (*call)(struct lua_state *, int, int, int);
static void (*push_function)(struct lua_state *, int (*)(struct lua_state *), int);
static void (*set_field)(struct lua_state *, int, const char *);
static const char *(*to_string)(struct lua_state *, int, size_t *);
static void (*close_state)(struct lua_state *);

#define GLOBALS (-10002) /* LUA_GLOBALSINDEX of 5.1 */

static void ask(const char *where)
{
	print_frames(where, uvhooks_capture_stack());
}

static void run(struct lua_state *lua, const char *name, const char *text)
{
	if (load(lua, text, strlen(text), name) != 0 || call(lua, 0, 0, 0) != 0)
		printf("%s\n", to_string(lua, -1, NULL));
}

static int in_lua(struct lua_state *lua)
{
	ask(to_string(lua, 1, NULL));
	return 0;
}

static void *with_state_at_hand(void *lua)
{
	struct lua_state *volatile at_hand = lua;

	ask("another thread");
	return at_hand;
}

static int in_thread(struct lua_state *lua)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, with_state_at_hand, lua) != 0)
		exit(1);
	pthread_join(thread, NULL);
	return 0;
}

static void add_functions(struct lua_state *lua);

static int in_second_state(struct lua_state *lua)
{
	struct lua_state *second = new_state();

	(void) lua;
	add_functions(second);
	run(second, "@second.lua", "\n\nask('in a state below')");
	close_state(second);
	return 0;
}

static void add_functions(struct lua_state *lua)
{
	open_libraries(lua);
	push_function(lua, in_lua, 0);
	set_field(lua, GLOBALS, "ask");
	push_function(lua, in_thread, 0);
	set_field(lua, GLOBALS, "thread");
	push_function(lua, in_second_state, 0);
	set_field(lua, GLOBALS, "second");
}

static const char script[] = "local function f(what)\n"
			     "  ask(what)\n"
			     "end\n"
			     "f('in a function')\n"
			     "coroutine.wrap(function()\n"
			     "  f('in a coroutine')\n"
			     "  thread()\n"
			     "  second()\n"
			     "  pcall(function() f('before an error') error('x') end)\n"
			     "  f('after an error')\n"
			     "end)()\n"
			     "local sleeper = coroutine.create(function() coroutine.yield() end)\n"
			     "coroutine.resume(sleeper)\n"
			     "ask('beside one that waits', sleeper)\n";

int main(int argc, char **argv)
{
	struct lua_state *lua;
	void *library;

	if (argc != 2)
		return 2;
	start();
	ask("before");
	library = open_library(argv[1], RTLD_LOCAL);
	new_state = function_of(library, "luaL_newstate");
	open_libraries = function_of(library, "luaL_openlibs");
	load = function_of(library, "luaL_loadbuffer");
	call = function_of(library, "lua_pcall");
	push_function = function_of(library, "lua_pushcclosure");
	set_field = function_of(library, "lua_setfield");
	to_string = function_of(library, "lua_tolstring");
	close_state = function_of(library, "lua_close");
	lua = new_state();
	add_functions(lua);
	run(lua, "@first.lua", script);
	ask("between");
	run(lua, "=(text)", "ask('in a text')");
	close_state(lua);
	ask("closed");
	return 0;
}
