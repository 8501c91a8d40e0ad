/* SPDX-License-Identifier: MIT */
#include "stack_origin.h"

#include <ctype.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* How names of files begin; behind it comes no letter. */
static const char *const runtime_modules[] = {
    "libuv",      "libuvhooks", "libuvhooks-patch",
    "libunwind", /* what we are in */
    "libc",       "libpthread", "libdl",
    "libm",       "librt",      "libresolv", /* C */
    "ld",         "ld-linux",   "ld-musl",
    "linux-vdso",                         /* the loader, and the kernel */
    "libgcc_s",   "libstdc++",  "libc++", /* C++ */
    "python",     "libpython",  "pypy",
    "libpypy", /* Python */
    "lua",        "liblua",     "luajit",
    "libluajit",  "luv",        "libluv", /* Lua */
    "libnode",    "libmoar",              /* other interpreters */
};

/* What the paths of other such files hold: extensions of an interpreter, a binding to libuv. */
static const char *const runtime_folders[] = {"/lib-dynload/", "/uvloop/"};

/* What the paths of sources hold that are compiled into programs, but are not theirs. */
static const char *const runtime_sources[] = {"/usr/include/", "/include/c++/", "/lib/gcc/"};

/* What the paths of scripts hold, or begin with, that others have written. */
static const char *const runtime_scripts[] = {"/lib/python", "/nvim/runtime/", "/share/lua/",
					      "/node_modules/"};
static const char *const runtime_script_begins[] = {"<frozen ", "vim/", "node:", "internal/"};

/* Code that V8 makes for itself, and code without a name. */
static const char *const runtime_code[] = {"0x",
					   "Builtin:", "BytecodeHandler:", "Handler:", "Stub:"};

/* How functions of others begin that are linked into programs: libuv's, V8's, what calls main(). */
static const char *const runtime_functions[] = {"uv_", "v8::", "Builtins_", "_start"};

static bool has_any(const char *text, const char *const *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(text, parts[i]) != NULL)
			return true;
	return false;
}

static bool begins_with(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

static bool begins_with_any(const char *text, const char *const *begins, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (begins_with(text, begins[i]))
			return true;
	return false;
}

static bool is_runtime_module(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name != NULL ? name + 1 : path;
	for (size_t i = 0; i < COUNT(runtime_modules); i++)
		if (begins_with(name, runtime_modules[i]) &&
		    !isalpha((unsigned char) name[strlen(runtime_modules[i])]))
			return true;
	return has_any(path, runtime_folders, COUNT(runtime_folders));
}

static bool is_runtime_script(const char *path)
{
	if (begins_with_any(path, runtime_script_begins, COUNT(runtime_script_begins)))
		return true;
	return has_any(path, runtime_scripts, COUNT(runtime_scripts));
}

/* Code that was made at run time: that which has lines is a script's. */
static enum uvh_frame_origin origin_of_code(const struct uvh_stack_frame *frame)
{
	if (frame->file[0] != '\0')
		return is_runtime_script(frame->file) ? UVH_FRAME_OF_RUNTIME : UVH_FRAME_OF_SCRIPT;
	return begins_with_any(frame->function, runtime_code, COUNT(runtime_code))
		   ? UVH_FRAME_OF_RUNTIME
		   : UVH_FRAME_OF_PROGRAM;
}

enum uvh_frame_origin uvh_stack_origin(const struct uvh_stack_frame *frame)
{
	if (frame->address == 0)
		return is_runtime_script(frame->file) ? UVH_FRAME_OF_RUNTIME : UVH_FRAME_OF_SCRIPT;
	if (frame->module[0] == '\0')
		return origin_of_code(frame);
	if (begins_with_any(frame->function, runtime_functions, COUNT(runtime_functions)) ||
	    has_any(frame->file, runtime_sources, COUNT(runtime_sources)) ||
	    is_runtime_module(frame->module))
		return UVH_FRAME_OF_RUNTIME;
	return UVH_FRAME_OF_PROGRAM;
}

const struct uvh_stack_frame *uvh_stack_site(const struct uvh_stack_frame *frames, size_t count)
{
	const struct uvh_stack_frame *program = NULL;

	for (size_t i = 0; i < count; i++) {
		if (frames[i].origin == UVH_FRAME_OF_SCRIPT)
			return &frames[i];
		if (frames[i].origin == UVH_FRAME_OF_PROGRAM && program == NULL)
			program = &frames[i];
	}
	/* A script of the interpreter's own says more than where the interpreter is. */
	if (program != NULL && frames[0].address != 0)
		return program;
	return count != 0 ? &frames[0] : NULL;
}
