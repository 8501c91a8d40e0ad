/* SPDX-License-Identifier: MIT */
/*
 * uvhooks hooks: prints shim/hooks.def, the list that the shim itself is made from, held against a
 * libuv.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inspect.h"

static const char help[] =
    "Usage: uvhooks hooks [OPTION]... [PROGRAM | LIBUV.so]\n"
    "\n"
    "Lists the libuv functions that are intercepted, where in shim/ (wrap_FILE.c), since which\n"
    "libuv there is such a function, and whether the libuv found has it: that of PROGRAM, or the\n"
    "library named, or the libuv.so.1 of the system.\n"
    "\n"
    "OPTIONS\n"
    "  --all   also list the functions that are left alone, each with the reason\n"
    "  --help  print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  the list was printed\n"
    "  1  no libuv was found to hold it against\n"
    "  2  there is no such file, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks hooks\n"
    "  uvhooks hooks nvim\n"
    "  uvhooks hooks --all libuv.so.1\n";

struct hook {
	const char *name;
	const char *file;
	const char *since;
};

static const struct hook hooks[] = {
#define HOOK(function, file, since) {#function, #file, since},
#include "../shim/hooks.def"
};

struct left_alone {
	const char *name;
	const char *why;
};

static const struct left_alone left_alone[] = {
#define CALL(function, why) {#function, why},
#define LEFT(function, why) {#function, why},
#include "../shim/hooks.def"
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The libuv that the list is held against. */
struct target {
	char path[PATH_MAX];
	char version[64];
	struct uvh_names functions;
};

static int take_library(struct target *target, const char *path, const char *name)
{
	struct uvh_libuv_file file;
	struct uvh_libuv libuv;
	char text[UVH_TEXT_BYTES];

	snprintf(target->path, sizeof target->path, "%s", path);
	if (uvh_libuv_read(path, &libuv, text) == 0)
		snprintf(target->version, sizeof target->version, "%s", libuv.version);
	else
		snprintf(target->version, sizeof target->version, "of unknown version");
	if (uvh_libuv_look(path, &file) == 0 && uvh_libuv_names(&file, &target->functions) == 0 &&
	    uvh_names_have(&target->functions, "uv_run"))
		return UVH_OK;
	uvh_say("'%s' is no libuv: it has no uv_run", name);
	return UVH_USAGE;
}

/* By its name, as the loader finds it: "libuv.so.1". */
static int take_named_library(struct target *target, const char *name)
{
	struct uvh_libuv libuv;
	char text[UVH_TEXT_BYTES];

	if (uvh_libuv_read(name, &libuv, text) == 0)
		return take_library(target, libuv.path, name);
	uvh_say("cannot find a libuv: %s", text);
	return UVH_FAILED;
}

/* A libuv inside a program, or inside a library of it. */
static int take_copy(struct target *target, const struct uvh_copy *copy)
{
	unsigned int version = copy->file.version;

	snprintf(target->path, sizeof target->path, "%s", copy->file.path);
	if (version != 0)
		snprintf(target->version, sizeof target->version, "%u.%u.%u", version >> 16,
			 (version >> 8) & 0xff, version & 0xff);
	else
		snprintf(target->version, sizeof target->version, "of unknown version");
	if (uvh_libuv_names(&copy->file, &target->functions) == 0)
		return UVH_OK;
	uvh_say("cannot read '%s'", copy->file.path);
	return UVH_FAILED;
}

static int take_program(struct target *target, const struct uvh_program *program)
{
	struct uvh_copies copies;
	const struct uvh_copy *copy = NULL;
	int status = UVH_FAILED;

	uvh_program_copies(program, &copies);
	for (size_t i = 0; i < copies.count && copy == NULL; i++)
		if (copies.list[i].file.where != UVH_WHERE_LOST)
			copy = &copies.list[i];
	if (copy == NULL)
		uvh_say("'%s' links no libuv; if it loads one later, name that: uvhooks hooks "
			"/path/to/libuv.so.1",
			program->name);
	else if (copy->file.alone && !copy->program)
		status = take_library(target, copy->file.path, copy->file.path);
	else
		status = take_copy(target, copy);
	uvh_copies_free(&copies);
	return status;
}

static int take_target(struct target *target, const char *name)
{
	static struct uvh_program program;
	struct uvh_elf elf;
	int error;

	if (name == NULL)
		return take_named_library(target, "libuv.so.1");
	program.name = name;
	error = uvh_program_find(name, program.path);
	if (error != 0 && strchr(name, '/') == NULL && strstr(name, ".so") != NULL)
		return take_named_library(target, name);
	if (error != -ENOENT && uvh_elf_read(program.path, &elf) == 0 && elf.library)
		return take_library(target, program.path, name);
	if (error == 0)
		error = uvh_program_read(&program);
	if (error != 0) {
		uvh_say("cannot use '%s': %s", name,
			error == -ENOENT    ? "it was not found"
			: error == -ENOEXEC ? "it is neither a libuv nor a program"
			: error == -EACCES  ? "it is no file that you may execute"
					    : strerror(-error));
		return UVH_USAGE;
	}
	return take_program(target, &program);
}

static const char *has_text(const struct target *target, const char *name)
{
	if (target->functions.count == 0)
		return "-";
	return uvh_names_have(&target->functions, name) ? "yes" : "no";
}

static void print_hooks(const struct target *target)
{
	size_t has = 0;

	printf("%-26s %-9s %-6s %s\n", "FUNCTION", "FILE", "SINCE", "HERE");
	for (size_t i = 0; i < COUNT(hooks); i++) {
		printf("%-26s %-9s %-6s %s\n", hooks[i].name, hooks[i].file, hooks[i].since,
		       has_text(target, hooks[i].name));
		has += uvh_names_have(&target->functions, hooks[i].name);
	}
	printf("\n%zu functions are intercepted", COUNT(hooks));
	if (target->functions.count != 0)
		printf("; this libuv has %zu of them and lacks %zu", has, COUNT(hooks) - has);
	printf(".\n");
}

static void print_left_alone(const struct target *target)
{
	printf("\n%-32s %-5s %s\n", "LEFT ALONE", "HERE", "BECAUSE IT");
	for (size_t i = 0; i < COUNT(left_alone); i++)
		printf("%-32s %-5s %s\n", left_alone[i].name, has_text(target, left_alone[i].name),
		       left_alone[i].why);
	printf("\n%zu functions are left alone.\n", COUNT(left_alone));
}

static bool is_listed(const char *name)
{
	for (size_t i = 0; i < COUNT(hooks); i++)
		if (strcmp(hooks[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < COUNT(left_alone); i++)
		if (strcmp(left_alone[i].name, name) == 0)
			return true;
	return false;
}

/* What a libuv newer than this list has added: the program may use it, uvhooks does not know it. */
static void print_unknown(const struct target *target)
{
	size_t unknown = 0;

	for (size_t i = 0; i < target->functions.count; i++) {
		if (is_listed(target->functions.names[i]))
			continue;
		if (unknown++ == 0)
			printf("Not known to this uvhooks, and so not seen:");
		printf(" %s", target->functions.names[i]);
	}
	if (unknown != 0)
		printf("\n");
}

int uvh_cmd_hooks(int argc, char **argv)
{
	enum { ALL = UVH_LONG_OPTION, HELP };
	static const struct option options[] = {
	    {"all", no_argument, NULL, ALL},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	static struct target target;
	bool all = false;
	int option;
	int status;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h' || option == HELP)
			return uvh_print_help(help);
		if (option != ALL)
			return uvh_bad_option(option, argv);
		all = true;
	}
	if (argc - optind > 1)
		return uvh_bad_usage("hooks", "one program or library at a time");
	status = take_target(&target, argv[optind]);
	/* Where the system has no libuv, the list itself is still an answer. */
	if (status != UVH_OK && argv[optind] != NULL)
		return status;
	if (status == UVH_OK)
		printf("libuv %s, %s\n\n", target.version, target.path);
	print_hooks(&target);
	if (all)
		print_left_alone(&target);
	print_unknown(&target);
	uvh_names_free(&target.functions);
	return status;
}
