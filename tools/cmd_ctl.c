/* SPDX-License-Identifier: MIT */
/* uvhooks ctl: looks into a process that runs, and changes what the shim in it does. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "memory.h"
#include "preload.h"
#include "snapshot.h"
#include "verb.h"

static const char help[] =
    "Usage: uvhooks ctl [OPTION]... PID VERB [ARGUMENT]...\n"
    "\n"
    "Looks into a process that is under the shim, and changes what is done there, while it runs.\n"
    "`uvhooks ps` lists such processes. The kernel decides who may: the same user, or root.\n"
    "\n"
    "VERBS\n"
    "  status           versions, what is switched on, what lives, what its loops do now, memory\n"
    "                   and losses; also of a process that is stuck or stopped\n"
    "  load PLUGIN[:KEY=VALUE,...]...\n"
    "                   load plugins, as `run -p`; one that is loaded gets the options\n"
    "  set PLUGIN:KEY=VALUE,...\n"
    "                   change options of a plugin that is loaded\n"
    "  disable PLUGIN   stop telling it of events; or `disable hook N`, by its number in status\n"
    "  enable PLUGIN    tell it again what it was told before; or `enable hook N`\n"
    "  record start -o DIR [--ring SIZE] [--max-size SIZE] [--stacks[=1/N]]\n"
    "                   begin a trace, with all that lives already\n"
    "  record stop      end it\n"
    "  record dump -o DIR\n"
    "                   copy what the recorder holds now, while it goes on\n"
    "  why [OPTION]...  tell what keeps its loops alive: as `uvhooks why PID`\n"
    "  top [OPTION]...  show what it does, live: as `uvhooks top PID`\n"
    "  off              let everything pass from now on, for good\n"
    "\n"
    "What changes something is done by a thread of the process that runs a loop, between two\n"
    "callbacks; a loop that sleeps is woken. Only while none of them returns from a callback "
    "there\n"
    "is no answer, and then nothing was done.\n"
    "\n"
    "OPTIONS\n"
    "  --timeout TIME   wait for an answer so long (2s): 500ms, 1m\n"
    "  --json           for programs: the status as one object\n" UVH_COLOR_HELP
    "  -o, --output DIR the folder of a trace, new or empty; as the process sees it, if it has a\n"
    "                   root of its own\n"
    "  --ring SIZE      keep the newest events only, in SIZE on disk: 64M\n"
    "  --max-size SIZE  stop recording when SIZE is written\n"
    "  --stacks[=1/N]   keep where each resource (every Nth) is made and armed, too\n"
    "  --help           print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  done\n"
    "  1  it was not done: refused, or no answer; of status: parts are missing\n"
    "  2  there is no such process, it is not under the shim, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks ctl 4711 status\n"
    "  uvhooks ctl 4711 load log:file=/tmp/events.log\n"
    "  uvhooks ctl 4711 disable log\n"
    "  uvhooks ctl 4711 record start -o live.trace --stacks\n"
    "  uvhooks ctl 4711 record stop\n"
    "  uvhooks ctl 4711 why\n";

static int print_answer(const char *answer)
{
	const size_t length = strlen(answer);

	if (length > 0)
		printf("%s%s", answer, answer[length - 1] == '\n' ? "" : "\n");
	return UVH_OK;
}

/* A plugin has to have a name, whatever comes behind it. */
static int check_plugin(const char *verb, const char *plugin)
{
	if (plugin[0] != '\0' && strchr(":; ", plugin[0]) == NULL)
		return UVH_OK;
	return uvh_bad_usage("ctl", "%s: '%s' names no plugin", verb, plugin);
}

/* A request of these words, one behind the other. */
static int ask(struct uvh_ctl *ctl, const char *verb, const char *words)
{
	char request[UVHOOKS_CONTROL_REQUEST_BYTES + 64];
	char *answer = uvh_zeros(1, UVHOOKS_CONTROL_ANSWER_BYTES);
	int status;

	snprintf(request, sizeof(request), "%s%s%s", verb, words[0] == '\0' ? "" : " ", words);
	status = uvh_ctl_ask(ctl->process, request, ctl->timeout_ns, answer);
	if (status == UVH_OK)
		status = print_answer(answer);
	free(answer);
	return status;
}

/*
 * What would end the process is not loaded into it. All else the process says itself: it may find
 * other files than this one does.
 */
static int try_plugins(const char *plugins)
{
	char shim[PATH_MAX], text[UVH_TEXT_BYTES];

	if (uvh_shim_find(shim, text) != 0 || uvh_plugins_check(shim, plugins, text) != -2)
		return UVH_OK;
	uvh_say("%s: so nothing was loaded", text);
	return UVH_FAILED;
}

static int load(struct uvh_ctl *ctl)
{
	char *plugins = NULL;
	int status = UVH_OK;

	if (ctl->count == 0)
		return uvh_bad_usage("ctl", "load: a plugin is missing");
	for (size_t i = 0; i < ctl->count && status == UVH_OK; i++) {
		status = check_plugin("load", ctl->words[i]);
		plugins = uvh_or_end(uvh_plugins_add(plugins, ctl->words[i]));
	}
	if (status == UVH_OK)
		status = try_plugins(plugins);
	if (status == UVH_OK)
		status = ask(ctl, "load", plugins);
	free(plugins);
	return status;
}

static int set(struct uvh_ctl *ctl)
{
	if (ctl->count != 1)
		return uvh_bad_usage("ctl", "set: say PLUGIN:KEY=VALUE,...");
	if (check_plugin("set", ctl->words[0]) != UVH_OK)
		return UVH_USAGE;
	return ask(ctl, "set", ctl->words[0]);
}

static int change_hooks(struct uvh_ctl *ctl, const char *verb)
{
	char words[UVHOOKS_CONTROL_REQUEST_BYTES];

	if (ctl->count == 1 && strcmp(ctl->words[0], "hook") != 0)
		return check_plugin(verb, ctl->words[0]) == UVH_OK ? ask(ctl, verb, ctl->words[0])
								   : UVH_USAGE;
	if (ctl->count != 2 || strcmp(ctl->words[0], "hook") != 0)
		return uvh_bad_usage("ctl", "%s: say a plugin, or `hook` and a number", verb);
	snprintf(words, sizeof(words), "hook %s", ctl->words[1]);
	return ask(ctl, verb, words);
}

static int enable(struct uvh_ctl *ctl)
{
	return change_hooks(ctl, "enable");
}

static int disable(struct uvh_ctl *ctl)
{
	return change_hooks(ctl, "disable");
}

static int off(struct uvh_ctl *ctl)
{
	if (ctl->count != 0)
		return uvh_bad_usage("ctl", "off: '%s' is too much", ctl->words[0]);
	return ask(ctl, "off", "");
}

static const struct {
	const char *name;
	int (*run)(struct uvh_ctl *ctl);
} verbs[] = {
    {"status", uvh_ctl_status},
    {"load", load},
    {"set", set},
    {"enable", enable},
    {"disable", disable},
    {"record", uvh_ctl_record},
    {"off", off},
};

static int run_verb(struct uvh_ctl *ctl, const char *pid_text, const char *name)
{
	const pid_t pid = uvh_read_pid(pid_text);
	int status;

	if (pid == 0)
		return uvh_bad_usage("ctl", "'%s' is no pid; `uvhooks ps` lists them", pid_text);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) != 0)
			continue;
		status = uvh_ctl_open(&ctl->process, pid, true);
		if (status == UVH_OK)
			status = verbs[i].run(ctl);
		uvh_process_close(ctl->process);
		return status;
	}
	return uvh_bad_usage("ctl", "unknown verb '%s'", name);
}

/* `why` and `top` have options of their own. */
static int pass_on(int (*run)(int argc, char **argv), char *pid, int argc, char **argv)
{
	char **words = uvh_zeros((size_t) argc + 2, sizeof(*words));
	int status;

	memcpy(words, argv, (size_t) argc * sizeof(*words));
	words[argc] = pid;
	optind = 0;
	status = run(argc + 1, words);
	free(words);
	return status;
}

enum { TIMEOUT = UVH_LONG_OPTION, JSON, COLOR, OUTPUT, RING, MAX_SIZE, STACKS, HELP };

static const struct option options[] = {
    {"timeout", required_argument, NULL, TIMEOUT},
    {"json", no_argument, NULL, JSON},
    {"color", required_argument, NULL, COLOR},
    {"output", required_argument, NULL, OUTPUT},
    {"ring", required_argument, NULL, RING},
    {"max-size", required_argument, NULL, MAX_SIZE},
    {"stacks", optional_argument, NULL, STACKS},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static int read_option(struct uvh_ctl *ctl, int option, char **argv)
{
	switch (option) {
	case TIMEOUT:
		return uvh_read_duration("ctl", "timeout", optarg, &ctl->timeout_ns);
	case JSON:
		ctl->json = true;
		break;
	case COLOR:
		return uvh_color_option("ctl", optarg);
	case 'o':
	case OUTPUT:
		ctl->output = optarg;
		break;
	case RING:
		ctl->ring = optarg;
		break;
	case MAX_SIZE:
		ctl->max_size = optarg;
		break;
	case STACKS:
		ctl->stacks = true;
		ctl->sample = optarg;
		break;
	default:
		return uvh_bad_option(option, argv);
	}
	return UVH_OK;
}

/* All options up to the first word that is none, or, without '+', wherever they stand. */
static int read_options(struct uvh_ctl *ctl, const char *letters, int argc, char **argv, bool *help)
{
	int option, status = UVH_OK;

	optind = 0;
	while (status == UVH_OK &&
	       (option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		*help = option == HELP || option == 'h';
		if (*help)
			return UVH_OK;
		status = read_option(ctl, option, argv);
	}
	return status;
}

int uvh_cmd_ctl(int argc, char **argv)
{
	struct uvh_ctl ctl = {.timeout_ns = UVH_CTL_TIMEOUT_NS};
	bool wants_help = false;
	char *pid;
	int status = read_options(&ctl, "+:o:h", argc, argv, &wants_help);

	if (status != UVH_OK)
		return status;
	if (wants_help)
		return uvh_print_help(help);
	if (argc - optind < 2)
		return uvh_bad_usage("ctl", "%s is missing",
				     optind == argc ? "a pid" : "what to do: status, say,");
	pid = argv[optind];
	argv += optind + 1;
	argc -= optind + 1;
	uvh_snapshot_timeout_ns = ctl.timeout_ns;
	if (strcmp(argv[0], "why") == 0)
		return pass_on(uvh_cmd_why, pid, argc, argv);
	if (strcmp(argv[0], "top") == 0)
		return pass_on(uvh_cmd_top, pid, argc, argv);
	status = read_options(&ctl, ":o:h", argc, argv, &wants_help);
	if (status != UVH_OK)
		return status;
	if (wants_help)
		return uvh_print_help(help);
	ctl.words = argv + optind;
	ctl.count = (size_t) (argc - optind);
	return run_verb(&ctl, pid, argv[0]);
}
