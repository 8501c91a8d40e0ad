/* SPDX-License-Identifier: MIT */
/*
 * A hook that writes a line for each event that has a stack:
 *
 *	EVENT TYPE NUMBER OBJECT+OFFSET... | FUNCTION@FILE:LINE...
 *
 * A stall has its milliseconds in front of the addresses, as ms=N; it has a line without a stack,
 *too, whose number is 0. And "lost N", if the plugin could not keep N stacks, when the process
 *ends. `file=PATH` says where.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uvhooks/plugin.h>
#include <uvhooks/stacks.h>

static char path[4096];

static void write_line(const char *text, size_t bytes)
{
	int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (file < 0)
		return;
	if (write(file, text, bytes) < 0)
		_exit(99);
	close(file);
}

static size_t put_address(char *text, size_t bytes, uintptr_t address)
{
	const char *name;
	Dl_info object;

	if (dladdr((void *) address, &object) == 0)
		return (size_t) snprintf(text, bytes, " ?+0x%lx", (unsigned long) address);
	name = strrchr(object.dli_fname, '/');
	return (size_t) snprintf(text, bytes, " %s+0x%lx",
				 name == NULL ? object.dli_fname : name + 1,
				 (unsigned long) (address - (uintptr_t) object.dli_fbase));
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	struct uvhooks_stack stack = {.size = sizeof(stack)};
	bool is_stall = event->event == UVHOOKS_EVENT_STALL;
	char line[8192];
	size_t used;

	(void) data;
	if (!is_stall && event->stack == 0)
		return;
	used = (size_t) snprintf(line, sizeof(line), "%s %s %u", uvhooks_event_name(event->event),
				 uvhooks_type_name(event->type), event->stack);
	if (is_stall)
		used += (size_t) snprintf(line + used, sizeof(line) - used, " ms=%lu",
					  (unsigned long) (event->duration_ns / 1000000));
	if (event->stack != 0 && uvhooks_read_stack(event->stack, &stack) == 0) {
		for (uint32_t i = 0; i < stack.address_count; i++)
			used += put_address(line + used, sizeof(line) - used, stack.addresses[i]);
		for (uint32_t i = 0; i < stack.frame_count; i++)
			used += (size_t) snprintf(line + used, sizeof(line) - used, "%s %s@%s:%u",
						  i == 0 ? " |" : "", stack.frames[i].function,
						  stack.frames[i].file, stack.frames[i].line);
	}
	line[used++] = '\n';
	write_line(line, used);
}

__attribute__((destructor)) static void at_exit(void)
{
	char line[64];

	if (path[0] != '\0' && uvhooks_stacks_lost() > 0)
		write_line(line, (size_t) snprintf(line, sizeof(line), "lost %lu\n",
						   (unsigned long) uvhooks_stacks_lost()));
}

/* A frame of a language that nobody has, to be seen where `annotate` is given. */
static size_t annotate(const struct uvhooks_place *place, struct uvhooks_frame *frames, size_t max,
		       void *data)
{
	static __thread unsigned int calls;

	(void) data;
	if (place->address_count == 0 || max < 2)
		return 0;
	frames[0] = (struct uvhooks_frame){"inner", "script.x", 1 + calls++ % 2, 0};
	frames[1] = (struct uvhooks_frame){NULL, "script.x", 7, 0};
	return 2;
}

static int print_stacks_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_annotator annotator = {
	    .size = sizeof(annotator), .language = "X", .annotate = annotate};
	static const struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks),
							   .init = on_event,
							   .start = on_event,
							   .fs_call = on_event,
							   .stall = on_event};

	for (size_t i = 0; i < args->count; i++) {
		if (strcmp(args->options[i].key, "file") == 0)
			snprintf(path, sizeof(path), "%s", args->options[i].value);
		else if (strcmp(args->options[i].key, "annotate") != 0)
			return uvhooks_plugin_error(args, "known are file=PATH and annotate");
		else if (!args->dry_run)
			uvhooks_add_annotator(&annotator);
	}
	return args->dry_run ? 0 : uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "print_stacks",
    .summary = "writes the stacks of events: file=PATH and annotate",
    .init = print_stacks_init,
};
