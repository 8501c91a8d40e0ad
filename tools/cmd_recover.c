/* SPDX-License-Identifier: MIT */
/* uvhooks recover: a trace from a core file. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "recover.h"
#include "terminal.h"

static const char help[] =
    "Usage: uvhooks recover [OPTION]... -o DIR CORE\n"
    "\n"
    "Makes a trace in DIR from a core file of a process that was under the shim: what lived in it\n"
    "when the file was written, with what is known of each, and, where a recording went on, the\n"
    "newest events of each thread. `uvhooks report`, `why`, `log` and the others read it.\n"
    "\n"
    "A core has what the recorder had in memory, up to 64K of events for each thread. If the\n"
    "files of the recording are still there, they have more: read those. gcore(1) takes a core of\n"
    "a process that goes on; coredumpctl(1) has those of processes that crashed.\n"
    "\n"
    "OPTIONS\n"
    "  -o, --output DIR the folder of the trace; it is made if it is missing\n"
    "  --program FILE   where the program's file is now: for the names of its functions\n"
    "  --help           print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  a trace was made\n"
    "  1  it could not be written\n"
    "  2  CORE is no core file of a process under the shim, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks recover -o trace core.4711 && uvhooks why trace\n"
    "  uvhooks recover -o trace core.4711\n"
    "  uvhooks recover --program ./server -o trace core.4711\n";

struct request {
	const char *core;
	bool help_wanted;
};

/* UVH_OK to go on, or the status to end with. */
static int read_options(int argc, char **argv, struct request *request,
			struct uvh_recovery *recovery)
{
	enum { OUTPUT = UVH_LONG_OPTION, PROGRAM, HELP };
	static const struct option options[] = {
	    {"output", required_argument, NULL, OUTPUT},
	    {"program", required_argument, NULL, PROGRAM},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		switch (option) {
		case 'o':
		case OUTPUT:
			recovery->output = optarg;
			break;
		case PROGRAM:
			recovery->program = optarg;
			break;
		case 'h':
		case HELP:
			request->help_wanted = true;
			return UVH_OK;
		default:
			return uvh_bad_option(option, argv);
		}
	}
	if (optind + 1 != argc)
		return uvh_bad_usage("recover", "name one core file");
	request->core = argv[optind];
	if (recovery->output == NULL || recovery->output[0] == '\0')
		return uvh_bad_usage("recover", "-o DIR is missing: the folder of the trace");
	return UVH_OK;
}

static void print_what(struct uvh_recovery *recovery, const char *core)
{
	char version[UVH_TEXT_ROOM * 2], libuv[UVH_TEXT_ROOM * 2];

	printf("%s: process %d, uvhooks %s, libuv %s", core,
	       (int) uvh_process_pid(recovery->process),
	       uvh_clean_text(recovery->control.version, true, version, sizeof(version)),
	       uvh_clean_text(recovery->control.libuv, true, libuv, sizeof(libuv)));
	if (recovery->core.signal > 0)
		printf(", ended by SIG%s", sigabbrev_np(recovery->core.signal) != NULL
					       ? sigabbrev_np(recovery->core.signal)
					       : "?");
	putchar('\n');
}

static void print_loop(const struct uvhooks_control_loop *loop,
		       const struct uvhooks_control_frame *frame, void *data)
{
	char id[UVHOOKS_ID_TEXT_BYTES];
	const uint64_t sequence = frame->async_id & ((UINT64_C(1) << UVHOOKS_ID_SEQUENCE_BITS) - 1);

	(void) data;
	if (sequence > 1)
		printf("  loop %u: in a callback of %s\n", loop->space,
		       uvhooks_id_text(frame->async_id, id));
	else
		printf("  loop %u: %s\n", loop->space,
		       sequence == 0 && frame->here != 0 ? "in libuv" : "in no callback");
}

static void print_live(struct uvh_recovery *recovery)
{
	char text[UVH_TEXT_ROOM];

	printf("  %s resource%s lived\n", uvh_count_text(recovery->live, text),
	       recovery->live == 1 ? "" : "s");
	for (unsigned int type = 0; type <= UINT16_MAX; type++)
		if (recovery->live_by_type[type] > 0)
			printf("    %s %s\n", uvh_count_text(recovery->live_by_type[type], text),
			       uvh_process_type_name(recovery->process, type));
}

static void print_recorded(const struct uvh_recovery *recovery)
{
	char path[PATH_MAX];

	if (!recovery->recorded) {
		printf("  nothing was recorded\n");
		return;
	}
	printf("  the newest events of %zu thread%s, %" PRIu64 " bytes; recorded to %s\n",
	       recovery->packets, recovery->packets == 1 ? "" : "s", recovery->packet_bytes,
	       uvh_clean_text(recovery->recorded_in, true, path, sizeof(path)));
}

static int recover(struct uvh_recovery *recovery, const char *core)
{
	if (!uvh_process_control(recovery->process, &recovery->control)) {
		uvh_say("%s: it cannot be read", core);
		return UVH_FAILED;
	}
	uvh_recover_read(recovery);
	if (!uvh_recover_folder(recovery))
		return UVH_FAILED;
	uvh_recover_files(recovery);
	uvh_recover_live(recovery);
	print_what(recovery, core);
	uvh_process_each_loop(recovery->process, print_loop, NULL);
	print_live(recovery);
	print_recorded(recovery);
	if (recovery->failed)
		return UVH_FAILED;
	printf("See: uvhooks why %s\n", recovery->output);
	return UVH_OK;
}

int uvh_cmd_recover(int argc, char **argv)
{
	static struct uvh_recovery recovery; /* large */
	char error[UVH_CORE_ERROR_BYTES];
	struct request request = {0};
	int status = read_options(argc, argv, &request, &recovery);

	if (status != UVH_OK)
		return status;
	if (request.help_wanted)
		return uvh_print_help(help);
	if (!uvh_core_open(&recovery.core, request.core, error)) {
		uvh_say("%s", error);
		return UVH_USAGE;
	}
	recovery.process = uvh_recover_find(&recovery.core, error);
	if (recovery.process == NULL) {
		uvh_say("%s: %s", request.core, error);
		uvh_core_close(&recovery.core);
		return UVH_USAGE;
	}
	status = recover(&recovery, request.core);
	uvh_recover_free(&recovery);
	return status;
}
