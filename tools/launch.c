/* SPDX-License-Identifier: MIT */
/* From a program's name to the program with libuvhooks.so in it. */
#include "launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "inspect.h"
#include "preload.h"

int uvh_launch_add_plugin(struct uvh_launch *launch, const char *verb, const char *plugin)
{
	if (plugin[0] == '\0' || plugin[0] == ':' || plugin[0] == ';')
		return uvh_bad_usage(verb, "-p '%s' names no plugin", plugin);
	launch->plugins = uvh_plugins_add(launch->plugins, plugin);
	if (launch->plugins != NULL)
		return UVH_OK;
	uvh_say("no memory");
	return UVH_FAILED;
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

static int prepare_environment(const struct uvh_launch *launch, const struct uvh_program *program)
{
	char shim[PATH_MAX];
	char asan[PATH_MAX];
	char text[UVH_TEXT_BYTES];

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
	if (launch->plugins != NULL) {
		if (uvh_plugins_check(shim, launch->plugins, text) != 0) {
			uvh_say("%s", text);
			return UVH_USAGE;
		}
		setenv("UVHOOKS_PLUGINS", launch->plugins, 1);
	}
	if (launch->follow != NULL)
		setenv("UVHOOKS_FOLLOW", launch->follow, 1);
	find_asan(shim, program, asan);
	if (uvh_preload(shim, asan) != 0) {
		uvh_say("no memory");
		return UVH_FAILED;
	}
	return UVH_OK;
}

/* The one that is launched. */
static struct uvh_program program;

int uvh_launch_prepare(const struct uvh_launch *launch)
{
	int status;

	program.name = launch->program[0];
	status = inspect_program(&program);
	return status == UVH_OK ? prepare_environment(launch, &program) : status;
}

int uvh_launch_exec(const struct uvh_launch *launch)
{
	char **argv = launch->program;
	char pid[16];
	size_t count = 0;
	char **shell;
	int error;

	snprintf(pid, sizeof pid, "%d", (int) getpid());
	setenv("UVHOOKS_LAUNCHED", pid, 1);
	execv(program.path, argv);
	error = -errno;
	if (error == -ENOEXEC && program.kind == UVH_PROGRAM_SCRIPT) {
		while (argv[count] != NULL)
			count++;
		shell = calloc(count + 2, sizeof *shell);
		if (shell != NULL) {
			shell[0] = (char *) "/bin/sh";
			shell[1] = program.path;
			memcpy(shell + 2, argv + 1, count * sizeof *shell);
			execv(shell[0], shell);
			free(shell);
		}
	}
	return say_not_started(&program, error);
}
