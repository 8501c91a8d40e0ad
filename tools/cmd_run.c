/* SPDX-License-Identifier: MIT */
/*
 * uvhooks run: puts libuvhooks.so and its plugins into the environment, says at once where that
 * cannot work, and becomes the program. So the program has this process: its id, its parent, its
 * signals and its exit status are what they would be without us.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "inspect.h"
#include "preload.h"

static const char help[] =
    "Usage: uvhooks run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "Starts PROGRAM with libuvhooks.so preloaded, and the plugins in it.\n"
    "\n"
    "OPTIONS\n"
    "  -p, --plugin PLUGIN[:KEY=VALUE,...]\n"
    "               load a plugin: the name of one that comes with uvhooks, or the path of a\n"
    "               .so; may be given more than once\n"
    "  --no-follow  trace PROGRAM only, not the programs that it starts\n"
    "  --help       print this\n"
    "\n"
    "Plugins already in UVHOOKS_PLUGINS come first, and what is in LD_PRELOAD stays. A backslash\n"
    "takes the meaning from a ':', ';' or ',' behind it. The plugins are checked before PROGRAM\n"
    "starts.\n"
    "\n"
    "EXIT STATUS\n"
    "  that of PROGRAM; before it starts: 2 if PROGRAM cannot be traced or an option is wrong,\n"
    "  126 if it cannot be executed, 127 if it is not found, 1 if uvhooks itself is incomplete\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks run -p log -- nvim --headless +q\n"
    "  uvhooks run -p log:file=/tmp/trace.%p,format=json -- nvim --headless +q\n"
    "  uvhooks run --no-follow -p log -- cmake --version\n"
    "  uvhooks run -p ./my-plugin.so -p log:file=/tmp/trace -- python3 server.py\n";

/* What the command line asks for. */
struct request {
	char *plugins; /* in the end, all of UVHOOKS_PLUGINS; NULL: none */
	const char *follow;
	char **program;
};

static int add_plugin(struct request *request, const char *plugin)
{
	if (plugin[0] == '\0' || plugin[0] == ':' || plugin[0] == ';')
		return uvh_bad_usage("run", "-p '%s' names no plugin", plugin);
	request->plugins = uvh_plugins_add(request->plugins, plugin);
	if (request->plugins != NULL)
		return UVH_OK;
	uvh_say("no memory");
	return UVH_FAILED;
}

/* UVH_OK to go on, or the status to end with; `help_wanted` says that it was asked for. */
static int read_options(int argc, char **argv, struct request *request, int *help_wanted)
{
	enum { PLUGIN = UVH_LONG_OPTION, NO_FOLLOW, HELP };
	static const struct option options[] = {
	    {"plugin", required_argument, NULL, PLUGIN},
	    {"no-follow", no_argument, NULL, NO_FOLLOW},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	int option;
	int status;

	/* '+': what stands behind PROGRAM is its own. */
	while ((option = getopt_long(argc, argv, "+:p:h", options, NULL)) != -1) {
		switch (option) {
		case 'p':
		case PLUGIN:
			status = add_plugin(request, optarg);
			if (status != UVH_OK)
				return status;
			break;
		case NO_FOLLOW:
			request->follow = "0";
			break;
		case 'h':
		case HELP:
			*help_wanted = 1;
			return UVH_OK;
		default:
			return uvh_bad_option(option, argv);
		}
	}
	request->program = argv + optind;
	if (request->program[0] == NULL)
		return uvh_bad_usage("run", "a program is missing");
	return UVH_OK;
}

/* Says why a program could not be started, and returns the status that a shell would. */
static int say_not_started(const struct uvh_program *program, int error)
{
	const char *interpreter = program->interpreter;

	if (interpreter[0] == '\0')
		interpreter = program->elf.loader;
	if (error == -ENOENT && program->path[0] == '\0')
		uvh_say("cannot run '%s': it was not found%s", program->name,
			strchr(program->name, '/') != NULL ? "" : " in PATH");
	else if (error == -ENOENT && interpreter[0] != '\0')
		uvh_say("cannot run '%s': %s, which it needs to start, was not found",
			program->path, interpreter);
	else if (error == -EACCES)
		uvh_say("cannot run '%s': %s is no file that you may execute", program->name,
			program->interpreter[0] != '\0' ? interpreter : program->path);
	else
		uvh_say("cannot run '%s': %s", program->path, strerror(-error));
	return error == -ENOENT ? UVH_NOT_FOUND : UVH_NOT_EXECUTABLE;
}

/* UVH_OK, or the status to end with: everything that can go wrong is said before the start. */
static int inspect_program(struct uvh_program *program)
{
	struct uvh_verdict verdict;
	struct uvh_copies copies;
	bool traceable;
	int error = uvh_program_find(program->name, program->path);

	if (error != 0) {
		if (error == -ENOENT)
			program->path[0] = '\0';
		return say_not_started(program, error);
	}
	error = uvh_program_read(program);
	if (error == -ENOEXEC) /* perhaps the kernel knows what to do with it */
		return UVH_OK;
	if (error != 0)
		return say_not_started(program, error);
	/* What cannot be looked into is no reason not to try. */
	uvh_program_copies(program, &copies);
	traceable = uvh_program_traceable(program, &copies, &verdict);
	uvh_copies_free(&copies);
	if (traceable)
		return UVH_OK;
	uvh_say("cannot trace '%s': %s", program->name, verdict.why);
	uvh_say("%s", verdict.next);
	return UVH_USAGE;
}

/*
 * The runtime by its path, where the loader finds it: the programs that this one starts may not
 * find it by its name.
 */
static void find_asan(const char *shim, const struct uvh_program *program, char asan[PATH_MAX])
{
	struct uvh_libraries libraries;
	struct uvh_elf elf = {0};
	const char *name = program->elf.asan;
	const char *file = uvh_program_file(program);
	const char *loader = program->elf.loader;

	asan[0] = '\0';
	/* A shim that was built with ASan makes every program need it. */
	if (name[0] == '\0' && uvh_elf_read(shim, &elf) == 0 && elf.asan[0] != '\0') {
		name = elf.asan;
		file = shim;
	}
	if (name[0] == '\0')
		return;
	snprintf(asan, PATH_MAX, "%s", name);
	uvh_libraries_read(loader, file, &libraries);
	for (size_t i = 0; i < libraries.count; i++)
		if (uvh_is_asan(libraries.paths[i]) &&
		    libraries.paths[i][strcspn(libraries.paths[i], " :")] == '\0')
			snprintf(asan, PATH_MAX, "%s", libraries.paths[i]);
	uvh_libraries_free(&libraries);
}

static int prepare_environment(struct request *request, const struct uvh_program *program)
{
	char shim[PATH_MAX];
	char asan[PATH_MAX];
	char text[UVH_TEXT_BYTES];
	char pid[16];

	if (uvh_shim_find(shim, text) != 0) {
		uvh_say("%s", text);
		return UVH_FAILED;
	}
	/* LD_PRELOAD has no way to quote what parts its entries, nor the '$' of $ORIGIN. */
	if (shim[strcspn(shim, " :$")] != '\0') {
		uvh_say("LD_PRELOAD cannot carry a path with a space, a ':' or a '$': %s", shim);
		uvh_say("move uvhooks to another folder, or install it in one");
		return UVH_USAGE;
	}
	if (request->plugins != NULL) {
		if (uvh_plugins_check(shim, request->plugins, text) != 0) {
			uvh_say("%s", text);
			return UVH_USAGE;
		}
		setenv("UVHOOKS_PLUGINS", request->plugins, 1);
	}
	if (request->follow != NULL)
		setenv("UVHOOKS_FOLLOW", request->follow, 1);
	snprintf(pid, sizeof pid, "%d", (int) getpid());
	setenv("UVHOOKS_LAUNCHED", pid, 1);
	find_asan(shim, program, asan);
	if (uvh_preload(shim, asan) != 0) {
		uvh_say("no memory");
		return UVH_FAILED;
	}
	return UVH_OK;
}

static int start_program(const struct uvh_program *program, char **argv)
{
	size_t count = 0;
	char **shell;
	int error;

	execv(program->path, argv);
	error = -errno;
	if (error == -ENOEXEC && program->kind == UVH_PROGRAM_SCRIPT) {
		while (argv[count] != NULL)
			count++;
		shell = calloc(count + 2, sizeof *shell);
		if (shell != NULL) {
			shell[0] = (char *) "/bin/sh";
			shell[1] = (char *) program->path;
			memcpy(shell + 2, argv + 1, count * sizeof *shell);
			execv(shell[0], shell);
			free(shell);
		}
	}
	return say_not_started(program, error);
}

int uvh_cmd_run(int argc, char **argv)
{
	static struct uvh_program program;
	const char *plugins = getenv("UVHOOKS_PLUGINS");
	struct request request = {0};
	int help_wanted = 0;
	int status;

	if (plugins != NULL && plugins[0] != '\0')
		request.plugins = strdup(plugins);
	status = read_options(argc, argv, &request, &help_wanted);
	if (status == UVH_OK && help_wanted)
		status = uvh_print_help(help);
	else if (status == UVH_OK) {
		program.name = request.program[0];
		status = inspect_program(&program);
		if (status == UVH_OK)
			status = prepare_environment(&request, &program);
		if (status == UVH_OK)
			status = start_program(&program, request.program);
	}
	free(request.plugins);
	return status;
}
