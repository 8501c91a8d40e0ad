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
    "Tells whether PROGRAM can be traced, and which libuv it has. PROGRAM is not run.\n"
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

/* The library that the program's calls of libuv go to: the first that exports them. */
static const char *find_libuv(const struct uvh_libraries *libraries)
{
	for (size_t i = 0; i < libraries->count; i++)
		if (uvh_elf_exports_libuv(libraries->paths[i]))
			return libraries->paths[i];
	return NULL;
}

static void print_version(const char *version)
{
	unsigned int major;
	unsigned int minor;

	print_row("version:", version);
	if (sscanf(version, "%u.%u", &major, &minor) == 2 && major == 1 && minor < OLDEST_MINOR)
		printf("%-13suvhooks is made for libuv 1.%d and later\n", "note:", OLDEST_MINOR);
}

static void print_inside(const struct uvh_program *program)
{
	unsigned int version = program->elf.libuv_version;
	char text[32];

	print_row("libuv:", uvh_program_file(program));
	print_row("how:", "inside the program");
	if (version == 0) {
		print_row("version:", "not known");
		return;
	}
	snprintf(text, sizeof text, "%u.%u.%u", version >> 16, (version >> 8) & 0xff,
		 version & 0xff);
	print_version(text);
}

static void print_linked(const char *path)
{
	struct uvh_libuv libuv;
	char text[UVH_TEXT_BYTES];

	print_row("libuv:", path);
	print_row("how:", "linked");
	if (uvh_libuv_read(path, &libuv, text) == 0)
		print_version(libuv.version);
	else
		printf("%-13snot known: %s\n", "version:", text);
}

/* False where the program cannot start, whatever uvhooks does; `verdict` then says why. */
static bool print_libuv(const struct uvh_program *program, struct uvh_verdict *verdict)
{
	struct uvh_libraries libraries = {0};
	const char *found = NULL;
	int error = 0;

	if (program->elf.loader[0] != '\0')
		error =
		    uvh_libraries_read(program->elf.loader, uvh_program_file(program), &libraries);
	if (program->elf.libuv != UVH_LIBUV_EXPORTED)
		found = find_libuv(&libraries);
	if (found != NULL) {
		print_linked(found);
		if (program->elf.libuv == UVH_LIBUV_PRIVATE)
			print_row("note:",
				  "the program has a libuv inside, too, which is not seen");
	} else if (program->elf.libuv != UVH_LIBUV_NONE) {
		print_inside(program);
	} else if (error == 0) {
		print_row("libuv:", "none");
		print_row("how:",
			  "not linked; one that is loaded later (dlopen, a module) is seen");
	} else {
		print_row("libuv:", "not known");
		printf("%-13s%s: %s\n", "how:", program->elf.loader,
		       error == -EPERM    ? "not a loader of this system, so it was not asked"
		       : error == -EINVAL ? "it cannot load the program"
					  : strerror(-error));
	}
	if (program->elf.asan[0] != '\0')
		print_row("note:", "links an ASan runtime, which `uvhooks run` preloads first");
	if (error == -EINVAL && verdict->why[0] == '\0') {
		snprintf(verdict->why, sizeof verdict->why, "it cannot start: %s", libraries.error);
		snprintf(verdict->next, sizeof verdict->next,
			 "install what it needs, or name the folder in LD_LIBRARY_PATH");
	}
	uvh_libraries_free(&libraries);
	return verdict->why[0] == '\0';
}

static int check_program(struct uvh_program *program)
{
	struct uvh_verdict verdict;
	char machine[64];
	bool traceable = uvh_program_traceable(program, &verdict);

	print_row("program:", program->path);
	switch (program->kind) {
	case UVH_PROGRAM_SCRIPT:
		print_row("kind:", "script");
		print_row("interpreter:", program->interpreter);
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
		traceable = print_libuv(program, &verdict) && traceable;
	}
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
