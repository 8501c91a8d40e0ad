/* SPDX-License-Identifier: MIT */
/*
 * What the files of the lua plugin share: the functions of Lua that it calls, and where a state is
 * found that runs.
 *
 * All of them read only, none allocates or pushes, so none can raise an error. Their numbers and
 * structs are those of PUC Lua 5.1 to 5.4 and of LuaJIT, in the builds of their makers.
 */
#ifndef LUA_H
#define LUA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uvhooks/stacks.h>

struct lua_state; /* lua_State */

/* Enough for lua_Debug of all versions. The first five fields are the same in all. */
struct lua_debug {
	int event;
	const char *name;
	const char *namewhat;
	const char *what;   /* "Lua", "C", "main", "tail" */
	const char *source; /* "@FILE", "=TEXT", or the chunk itself */
	char rest[256];
};

/* REQUIRED are what every Lua has; the OTHERS tell which one it is. */
#define LUA_REQUIRED(XX)                                                                           \
	XX(lua_getstack, int, (struct lua_state *, int, struct lua_debug *) )                      \
	XX(lua_getinfo, int, (struct lua_state *, const char *, struct lua_debug *) )              \
	XX(lua_tothread, struct lua_state *, (struct lua_state *, int) )                           \
	XX(lua_status, int, (struct lua_state *) )

#define LUA_OTHERS(XX)                                                                             \
	XX(luaJIT_setmode, void, (void) )                                                          \
	XX(lua_absindex, int, (struct lua_state *, int) )                                          \
	XX(lua_setwarnf, void, (void) )

struct lua_functions {
#define XX(name, result, arguments) result(*name) arguments;
	LUA_REQUIRED(XX)
	LUA_OTHERS(XX)
#undef XX
};

extern struct lua_functions lua_functions;

/*
 * The main thread of the Lua state that runs on the calling thread; of those that called one
 * another, the innermost that is known. NULL: there is none. A state that this thread never had is
 * looked for only where none that is known runs and `may_be_new`: that takes long.
 */
struct lua_state *lua_running_main(const struct uvhooks_place *place, bool may_be_new);

#endif
