/* SPDX-License-Identifier: MIT */
/*
 * uvhooks check: tells what a program is, which libuv it gets and how, and whether `uvhooks run`
 * can trace it. Nothing of the program is run.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "inspect.h"

static const char help[] =
    "Usage: uvhooks check PROGRAM\n"
    "\n"
    "Tells whether PROGRAM can be traced: which libuvs it has in itself and in the libraries that\n"
    "it needs, which way in each of them gets, and which of the intercepted functions cannot be\n"
    "patched and why. PROGRAM is not run.\n"
    "\n"
    "OPTIONS\n"
    "  --help  print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  it can be traced (no libuv yet is no obstacle: one may be loaded later)\n"
    "  1  it cannot; the output says why, and what to do\n"
    "  2  there is no such program, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks check nvim\n"
    "  uvhooks check ./build/server\n"
    "  uvhooks check python3\n";

/* uvhooks is built to work with this libuv and all newer ones. */
#define OLDEST_MINOR 34

static void print_row(const char *key, const char *value)
{
	printf("%-13s%s\n", key, value);
}

static void print_version(const struct uvh_copy *copy)
{
	unsigned int version = copy->file.version;
	unsigned int major = version >> 16;
	unsigned int minor = (version >> 8) & 0xff;
	struct uvh_libuv libuv = {0};
	char text[UVH_TEXT_BYTES];

	if (version != 0) {
		snprintf(libuv.version, sizeof libuv.version, "%u.%u.%u", major, minor,
			 version & 0xff);
	} else if (!copy->file.alone) {
		/* To load it would be to run what else is in there. */
		print_row("version:", "not known");
		return;
	} else if (uvh_libuv_read(copy->file.path, &libuv, text) != 0) {
		printf("%-13snot known: %s\n", "version:", text);
		return;
	} else if (sscanf(libuv.version, "%u.%u", &major, &minor) != 2) {
		major = 0;
	}
	print_row("version:", libuv.version);
	if (major == 1 && minor < OLDEST_MINOR)
		printf("%-13suvhooks is made for libuv 1.%d and later\n", "note:", OLDEST_MINOR);
}

static void print_way(const struct uvh_copies *copies, const struct uvh_copy *copy)
{
	static const char symbols[] = "symbols: the loader binds calls of it to libuvhooks.so";
	const struct uvh_copy *global = uvh_copies_global(copies);

	switch (copy->way) {
	case UVH_WAY_PATCH:
		print_row("way in:", "patching: its functions are made to jump to libuvhooks.so");
		return;
	case UVH_WAY_SYMBOLS:
		if (copy->blocked == NULL)
			print_row("way in:", symbols);
		else
			printf("%-13s%s; calls past the loader are not seen, since it cannot be "
			       "patched: %s\n",
			       "way in:", symbols, copy->blocked);
		return;
	case UVH_WAY_NONE:
		break;
	}
	if (copy->file.where == UVH_WHERE_LOST)
		printf("%-13snone: %s\n", "way in:", copy->blocked);
	else if (copy->blocked != NULL)
		printf("%-13snone: it cannot be patched: %s\n", "way in:", copy->blocked);
	else
		printf("%-13snone is needed: calls are for the libuv in %s\n",
		       "way in:", global->file.path);
}

static void print_found(const struct uvh_libuv_file *file)
{
	switch (file->where) {
	case UVH_WHERE_EXPORTED:
		print_row("found:", "exported (.dynsym)");
		break;
	case UVH_WHERE_TABLE:
		print_row("found:", "hidden, in the symbol table (.symtab)");
		break;
	case UVH_WHERE_DEBUG:
		printf("%-13shidden, in the debug file %s\n", "found:", file->debug);
		break;
	case UVH_WHERE_LOST:
		print_row("found:", "its texts, but no function: it is stripped");
		break;
	case UVH_WHERE_NONE:
		break;
	}
}

static void print_functions(const struct uvh_copies *copies, const struct uvh_copy *copy)
{
	const bool patched = copy->way == UVH_WAY_PATCH;
	struct uvh_functions functions;

	if (uvh_libuv_functions(&copy->file, patched ? copies->engine : NULL, &functions) != 0) {
		print_row("functions:", "not known: the file could not be read again");
	} else if (!patched) {
		printf("%-13s%zu of the %zu that are intercepted\n", "functions:", functions.found,
		       functions.count);
	} else {
		printf("%-13s%zu of the %zu that are intercepted: %zu patched, %zu left alone\n",
		       "functions:", functions.found, functions.count,
		       functions.found - functions.refused, functions.refused);
		for (size_t i = 0; i < functions.count; i++)
			if (functions.list[i].left_alone != NULL)
				printf("%-13s%s: %s\n", "left alone:", functions.list[i].name,
				       functions.list[i].left_alone);
	}
	uvh_functions_free(&functions);
}

/* `reached`: libuvhooks.so gets in; else only what there is matters, and no way to it. */
static void print_copy(const struct uvh_copies *copies, const struct uvh_copy *copy, bool reached)
{
	print_row("libuv:", copy->file.path);
	print_row("how:", copy->program                            ? "inside the program"
			  : copy->file.alone                       ? "linked"
			  : copy->file.where == UVH_WHERE_EXPORTED ? "linked, beside other code"
								   : "inside a library");
	if (reached)
		print_way(copies, copy);
	print_found(&copy->file);
	if (reached && copy->file.where != UVH_WHERE_LOST)
		print_functions(copies, copy);
	print_version(copy);
}

/* False where the program cannot start, whatever uvhooks does; `verdict` then says why. */
static bool print_libuvs(const struct uvh_program *program, const struct uvh_copies *copies,
			 struct uvh_verdict *verdict)
{
	const int error = copies->libraries_error;

	for (size_t i = 0; i < copies->count; i++)
		print_copy(copies, &copies->list[i], verdict->reached);
	if (error != 0) {
		print_row("libuv:", copies->count == 0 ? "not known" : "others are not known");
		printf("%-13s%s: %s\n", "how:", program->elf.loader,
		       error == -EPERM    ? "not a loader of this system, so it was not asked"
		       : error == -EINVAL ? "it cannot load the program"
					  : strerror(-error));
	} else if (copies->count == 0) {
		print_row("libuv:", "none");
		print_row("how:", "not linked");
	}
	if (verdict->reached)
		print_row("later:", copies->forbidden
					? "what it loads while it runs (dlopen) no file tells"
					: "what it loads while it runs (dlopen) no file tells; a "
					  "libuv among it is seen when it comes");
	if (program->elf.asan[0] != '\0')
		print_row("note:", "links an ASan runtime, which `uvhooks run` preloads first");
	if (error == -EINVAL && verdict->why[0] == '\0') {
		snprintf(verdict->why, sizeof verdict->why, "it cannot start: %s",
			 copies->libraries_text);
		snprintf(verdict->next, sizeof verdict->next,
			 "install what it needs, or name the folder in LD_LIBRARY_PATH");
	}
	return verdict->why[0] == '\0';
}

static int check_program(struct uvh_program *program)
{
	struct uvh_verdict verdict;
	struct uvh_copies copies;
	char machine[64];
	bool traceable;

	uvh_program_copies(program, &copies);
	traceable = uvh_program_traceable(program, &copies, &verdict);

	print_row("program:", program->path);
	switch (program->kind) {
	case UVH_PROGRAM_SCRIPT:
		print_row("kind:", "script");
		print_row("interpreter:", program->interpreter);
		if (program->behind_env)
			print_row("note:", "what that env starts is not known, and not looked at");
		break;
	case UVH_PROGRAM_ELF:
		print_row("kind:", "ELF program");
		break;
	case UVH_PROGRAM_UNREADABLE:
		print_row("kind:", "not known: it may be run, but not read");
		break;
	}
	if (program->kind != UVH_PROGRAM_UNREADABLE) {
		print_row("machine:", uvh_machine_text(&program->elf, machine, sizeof machine));
		print_row("loader:", program->elf.loader[0] != '\0' ? program->elf.loader : "none");
		traceable = print_libuvs(program, &copies, &verdict) && traceable;
	}
	uvh_copies_free(&copies);
	print_row("traceable:", traceable ? "yes" : "no");
	if (traceable)
		return UVH_OK;
	print_row("why:", verdict.why);
	print_row("next:", verdict.next);
	return UVH_FAILED;
}

static int say_unusable(const struct uvh_program *program, int error)
{
	if (program->interpreter[0] != '\0')
		uvh_say("cannot check '%s': its interpreter %s: %s", program->path,
			program->interpreter, strerror(-error));
	else if (error == -ENOEXEC)
		uvh_say("cannot check '%s': it is neither an ELF program nor a script",
			program->path);
	else if (error == -ENOENT)
		uvh_say("cannot check '%s': it was not found%s", program->name,
			strchr(program->name, '/') != NULL ? "" : " in PATH");
	else if (error == -EACCES)
		uvh_say("cannot check '%s': %s is no file that you may execute", program->name,
			program->path);
	else
		uvh_say("cannot check '%s': %s", program->path, strerror(-error));
	return UVH_USAGE;
}

int uvh_cmd_check(int argc, char **argv)
{
	enum { HELP = UVH_LONG_OPTION };
	static const struct option options[] = {
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	static struct uvh_program program;
	int option;
	int error;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h' || option == HELP)
			return uvh_print_help(help);
		return uvh_bad_option(option, argv);
	}
	if (argc - optind != 1)
		return uvh_bad_usage("check", optind == argc ? "a program is missing"
							     : "one program at a time");
	program.name = argv[optind];
	error = uvh_program_find(program.name, program.path);
	/* A library is asked for by mistake often enough, and seldom has the x bit. */
	if (error == -EACCES && uvh_elf_read(program.path, &program.elf) == 0 &&
	    program.elf.library)
		error = 0;
	if (error == 0)
		error = uvh_program_read(&program);
	if (error != 0)
		return say_unusable(&program, error);
	if (program.kind == UVH_PROGRAM_ELF && program.elf.library &&
	    strncmp(program.elf.soname, "ld-", 3) != 0) {
		uvh_say("'%s' is a library, no program; its functions are shown by: uvhooks hooks "
			"%s",
			program.path, program.path);
		return UVH_USAGE;
	}
	return check_program(&program);
}
