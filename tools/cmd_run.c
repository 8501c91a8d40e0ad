/* SPDX-License-Identifier: MIT */
/*
 * uvhooks run: puts libuvhooks.so and its plugins into the environment, says at once where that
 * cannot work, and becomes the program. So the program has this process: its id, its parent, its
 * signals and its exit status are what they would be without us.
 */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "launch.h"
#include "preload.h"
#include "record.h"
#include "why.h"

static const char help[] =
    "Usage: uvhooks run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "Starts PROGRAM with libuvhooks.so preloaded, and the plugins in it.\n"
    "\n"
    "OPTIONS\n"
    "  -p, --plugin PLUGIN[:KEY=VALUE,...]\n"
    "               load a plugin: the name of one that comes with uvhooks, or the path of a\n"
    "               .so; may be given more than once\n"
    "  --why        when PROGRAM has ended, tell what kept its loops alive, and who made that;\n"
    "               of a program that does not end when Ctrl-C has ended it\n"
    "  --dormant    no plugin, not even those of UVHOOKS_PLUGINS: what lives is known, nothing\n"
    "               else happens, and `uvhooks ps`, `ctl` and `top` find PROGRAM when needed\n"
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
    "  uvhooks run -p log:file=/tmp/log.%p,format=json -- nvim --headless +q\n"
    "  uvhooks run --why -- nvim --headless +q\n"
    "  uvhooks run --no-follow -p log -- cmake --version\n"
    "  uvhooks run --dormant -- python3 server.py\n"
    "  uvhooks run -p ./my-plugin.so -p log:file=/tmp/log -- python3 server.py\n";

struct wishes {
	bool plugin, why, dormant, help;
};

/* UVH_OK to go on, or the status to end with. */
static int read_options(int argc, char **argv, struct uvh_launch *launch, struct wishes *wishes)
{
	enum { PLUGIN = UVH_LONG_OPTION, WHY, DORMANT, NO_FOLLOW, HELP };
	static const struct option options[] = {
	    {"plugin", required_argument, NULL, PLUGIN},
	    {"why", no_argument, NULL, WHY},
	    {"dormant", no_argument, NULL, DORMANT},
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
			status = uvh_launch_add_plugin(launch, "run", optarg);
			if (status != UVH_OK)
				return status;
			wishes->plugin = true;
			break;
		case WHY:
			wishes->why = true;
			break;
		case DORMANT:
			wishes->dormant = true;
			break;
		case NO_FOLLOW:
			launch->follow = "0";
			break;
		case 'h':
		case HELP:
			wishes->help = true;
			return UVH_OK;
		default:
			return uvh_bad_option(option, argv);
		}
	}
	launch->program = argv + optind;
	if (launch->program[0] == NULL)
		return uvh_bad_usage("run", "a program is missing");
	if (wishes->dormant && (wishes->plugin || wishes->why))
		return uvh_bad_usage("run",
				     "--dormant loads no plugin: it goes neither with -p nor "
				     "with --why");
	return UVH_OK;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void) status;
	(void) kind;
	(void) place;
	return remove(path);
}

/* Records to a folder that nobody will see, and tells what that says when the program has ended. */
static int run_and_tell(struct uvh_launch *launch)
{
	const char *folder = getenv("TMPDIR");
	char path[PATH_MAX];
	struct uvh_recording recording = {.output = path, .max_size = "4G", .stacks = true};
	pid_t pid = 0;
	int status;

	snprintf(path, sizeof(path), "%.3000s/uvhooks-why-XXXXXX",
		 folder == NULL || folder[0] == '\0' ? "/tmp" : folder);
	if (mkdtemp(path) == NULL) {
		uvh_say("cannot make a folder for the trace: %s: %s; TMPDIR names another place",
			path, strerror(errno));
		return UVH_FAILED;
	}
	status = uvh_record_add(launch, "run", &recording);
	if (status == UVH_OK)
		status = uvh_launch_prepare(launch);
	if (status == UVH_OK) {
		status = uvh_record_run(launch, &pid);
		if (rmdir(path) == 0)
			uvh_say("nothing was recorded: the program made no call of libuv's that "
				"can be seen; `uvhooks check` tells why");
		else
			uvh_why_about(path);
		nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
		return uvh_record_end(status);
	}
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return status;
}

int uvh_cmd_run(int argc, char **argv)
{
	const char *plugins = getenv("UVHOOKS_PLUGINS");
	struct uvh_launch launch = {0};
	struct wishes wishes = {0};
	int status;

	if (plugins != NULL && plugins[0] != '\0')
		launch.plugins = strdup(plugins);
	status = read_options(argc, argv, &launch, &wishes);
	if (status == UVH_OK && wishes.help) {
		status = uvh_print_help(help);
	} else if (status == UVH_OK && wishes.why) {
		status = run_and_tell(&launch);
	} else if (status == UVH_OK) {
		if (wishes.dormant) {
			free(launch.plugins);
			launch.plugins = NULL;
			unsetenv("UVHOOKS_PLUGINS");
		}
		status = uvh_launch_prepare(&launch);
		if (status == UVH_OK)
			status = uvh_launch_exec(&launch);
	}
	free(launch.plugins);
	return status;
}
