/* SPDX-License-Identifier: MIT */
/* Callbacks that ran too long, for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "report.h"
#include "stalls.h"
#include "terminal.h"

#define PLACE_BYTES 512
#define SHOWN       5 /* so many places inside a callback are told, unless all are wanted */

/* "on_timer", or what else it is known by. */
static const char *callback_text(const struct uvh_trace_process *process, uint64_t callback)
{
	return callback == 0 ? "(unknown callback)" : uvh_readable_callback(process, callback);
}

static const struct uvh_stack_frame *site_of(const struct uvh_trace_process *process,
					     uint32_t number)
{
	const struct uvh_stack *stack = uvh_stack(process, number);

	return stack == NULL ? NULL : stack->site;
}

/* What the program called there; of what has no name, its library. */
static const char *called_text(const struct uvh_stack *stack, int *length)
{
	const struct uvh_stack_frame *called = NULL;
	const char *name, *offset;

	for (size_t i = 0; i < stack->count && &stack->frames[i] != stack->site; i++) {
		const struct uvh_stack_frame *frame = &stack->frames[i];

		if (frame->origin != UVH_FRAME_OF_RUNTIME || frame->address == 0)
			continue;
		if (called == NULL)
			called = frame;
		if (strstr(frame->function, "+0x") == NULL) {
			called = frame;
			break;
		}
	}
	if (called == NULL)
		return NULL;
	/* libc's own names for its functions. */
	name = called->function + (strncmp(called->function, "__GI_", 5) == 0 ? 5 : 0);
	offset = strstr(name, "+0x");
	*length = offset == NULL ? (int) strlen(name) : (int) (offset - name);
	return name;
}

static void print_place(const struct uvh_stack_frame *site, const char *what)
{
	char text[PLACE_BYTES];

	if (site != NULL)
		printf("  %s %s\n", what, uvh_stack_frame_text(site, false, text, sizeof(text)));
}

static void print_origin(const struct uvh_stall_row *row)
{
	const struct uvh_stack_frame *made = site_of(row->process, row->init_stack);
	const struct uvh_stack_frame *armed = site_of(row->process, row->start_stack);

	print_place(made, "made at");
	/* Most are made and armed in one function. */
	if (made == NULL || (armed != NULL && strcmp(made->function, armed->function) != 0))
		print_place(armed, "armed at");
	if (row->chain.link_count > 1 || made == NULL) {
		printf("  %scaused by ", uvh_color(UVH_DIM));
		uvh_chain_print(&row->chain, 1);
		printf("%s\n", uvh_color(UVH_PLAIN));
	}
}

/* Samples from one line of the program are one, whatever it called there. */
struct place {
	const struct uvh_stack *stack; /* that was seen most; NULL: none was to be had */
	uint64_t count;
};

static int compare_samples(const void *one, const void *other)
{
	const struct uvh_stall_sample *a = one, *b = other;

	return (a->count < b->count) - (a->count > b->count);
}

static int compare_places(const void *one, const void *other)
{
	const struct place *a = one, *b = other;

	return (a->count < b->count) - (a->count > b->count);
}

static bool is_place(const struct place *place, const struct uvh_stack *stack)
{
	if (place->stack == NULL || stack == NULL)
		return place->stack == stack;
	return uvh_stack_same_place(place->stack->site, stack->site);
}

/* To be freed; the most seen come first. */
static struct place *places_of(const struct uvh_stall_row *row, size_t *count, uint64_t *samples)
{
	const struct uvh_stall_inside *inside = &row->inside;
	struct place *places = uvh_zeros(inside->sample_count + 1, sizeof(*places));

	*count = 0;
	*samples = 0;
	if (inside->sample_count > 1)
		qsort(inside->samples, inside->sample_count, sizeof(*inside->samples),
		      compare_samples);
	for (size_t i = 0; i < inside->sample_count && inside->samples[i].count > 0; i++) {
		const struct uvh_stack *stack = uvh_stack(row->process, inside->samples[i].stack);
		size_t at = 0;

		if (stack != NULL && stack->site == NULL)
			stack = NULL;
		while (at < *count && !is_place(&places[at], stack))
			at++;
		if (at == *count)
			places[(*count)++].stack = stack;
		places[at].count += inside->samples[i].count;
		*samples += inside->samples[i].count;
	}
	if (*count > 1)
		qsort(places, *count, sizeof(*places), compare_places);
	return places;
}

/* "  inside: clock_nanosleep <- work.c:30 in do_work  (3 of 4 samples)" */
static void print_sample(const struct place *place, uint64_t samples)
{
	char text[PLACE_BYTES], number[UVH_TEXT_ROOM], all[UVH_TEXT_ROOM];
	const char *called = NULL;
	int length = 0;

	printf("  inside: ");
	if (place->stack != NULL)
		called = called_text(place->stack, &length);
	if (called != NULL)
		printf("%.*s <- ", length, called);
	fputs(place->stack == NULL
		  ? "(no stack was to be had)"
		  : uvh_stack_frame_text(place->stack->site, false, text, sizeof(text)),
	      stdout);
	printf("  %s(%s of %s sample%s)%s\n", uvh_color(UVH_DIM),
	       uvh_count_text(place->count, number), uvh_count_text(samples, all),
	       samples == 1 ? "" : "s", uvh_color(UVH_PLAIN));
}

static void print_samples(const struct uvh_stall_row *row, bool verbose)
{
	uint64_t samples;
	size_t count, shown;
	struct place *places = places_of(row, &count, &samples);

	shown = verbose || count < SHOWN ? count : SHOWN;
	for (size_t i = 0; i < shown; i++) {
		print_sample(&places[i], samples);
		if (verbose && places[i].stack != NULL)
			uvh_stack_print(stdout, places[i].stack, "      ", true);
	}
	if (shown < count)
		printf("  %s... and %zu places more: -v%s\n", uvh_color(UVH_DIM), count - shown,
		       uvh_color(UVH_PLAIN));
	free(places);
}

static int compare_calls(const void *one, const void *other)
{
	const struct uvh_stall_call *a = one, *b = other;

	return (a->ns < b->ns) - (a->ns > b->ns);
}

static const char *call_name(const struct uvh_stall_call *call)
{
	const char *name = uvhooks_fs_name(call->fs_type);

	return name == NULL ? "unknown call" : name;
}

/* "  uv_fs_open 3 times, 2.00 s, the longest 1.50 s, at config.c:12 in read_config" */
static void print_call(const struct uvh_trace_process *process, const struct uvh_stall_call *call)
{
	const struct uvh_stack_frame *site = site_of(process, call->stack);
	char number[UVH_TEXT_ROOM], all[UVH_TEXT_ROOM], longest[UVH_TEXT_ROOM], text[PLACE_BYTES];

	printf("    uv_fs_%s, %s time%s, %s", call_name(call), uvh_count_text(call->count, number),
	       call->count == 1 ? "" : "s", uvh_duration_text(call->ns, all));
	if (call->count > 1)
		printf(", the longest %s", uvh_duration_text(call->longest_ns, longest));
	if (site != NULL)
		printf(", at %s", uvh_stack_frame_text(site, false, text, sizeof(text)));
	putchar('\n');
}

static void print_calls(const struct uvh_trace_process *process, struct uvh_stall_inside *inside,
			bool verbose)
{
	if (inside->call_count > 1)
		qsort(inside->calls, inside->call_count, sizeof(*inside->calls), compare_calls);
	for (size_t i = 0; i < inside->call_count; i++) {
		if (i == SHOWN && !verbose) {
			printf("    %s... and from %zu places more: -v%s\n", uvh_color(UVH_DIM),
			       inside->call_count - i, uvh_color(UVH_PLAIN));
			return;
		}
		print_call(process, &inside->calls[i]);
		if (verbose && uvh_stack(process, inside->calls[i].stack) != NULL)
			uvh_stack_print(stdout, uvh_stack(process, inside->calls[i].stack),
					"      ", true);
	}
}

static void print_stack_of(const struct uvh_trace_process *process, uint32_t number)
{
	const struct uvh_stack *stack = uvh_stack(process, number);

	if (stack != NULL)
		uvh_stack_print(stdout, stack, "      ", true);
}

/* Where it was made, then where its trigger was, and so on. */
static void print_chain(const struct uvh_stall_row *row)
{
	char type[UVH_TYPE_TEXT_BYTES], id[UVHOOKS_ID_TEXT_BYTES];

	if (row->init_stack != 0) {
		printf("  %s was made by\n", uvhooks_id_text(row->id, id));
		print_stack_of(row->process, row->init_stack);
	}
	if (row->start_stack != 0 && row->start_stack != row->init_stack) {
		printf("  and armed by\n");
		print_stack_of(row->process, row->start_stack);
	}
	for (unsigned int i = 0; i < row->link_count; i++) {
		const struct uvh_stall_link *link = &row->links[i];

		printf("  while %s ran, the callback of %s %s",
		       callback_text(row->process, link->callback),
		       uvh_type_text(row->process, link->type, link->fs_type, type),
		       uvhooks_id_text(link->id, id));
		if (link->count > 1)
			printf(" (and %u more like it)", link->count - 1);
		printf("%s\n", link->stack == 0 ? "" : ", which was made by");
		print_stack_of(row->process, link->stack);
	}
}

static void print_times(struct uvh_stalls *stalls, const struct uvh_stall_row *row)
{
	char number[UVH_TEXT_ROOM], all[UVH_TEXT_ROOM], share[UVH_TEXT_ROOM], at[UVH_TEXT_ROOM];
	char id[UVHOOKS_ID_TEXT_BYTES];

	printf("  %s time%s, %s%s%s in all: %s of its loop's time; ",
	       uvh_count_text(row->count, number), row->count == 1 ? "" : "s", uvh_color(UVH_BAD),
	       uvh_duration_text(row->total_ns, all), uvh_color(UVH_PLAIN),
	       uvh_share_text(uvh_stalls_share(stalls, row), share));
	if (row->count > 1)
		printf("the longest %s, ", uvh_duration_text(row->longest_ns, all));
	printf("at %s (%s)\n", uvh_moment_text(row->begin_ns - row->process->start_ns, at),
	       uvhooks_id_text(row->id, id));
	if (row->open_ns != 0)
		printf("  %sstill ran when the %s ended, for %s so far%s\n", uvh_color(UVH_WARN),
		       stalls->to_ns < row->process->last_ns ? "window" : "trace",
		       uvh_duration_text(row->open_ns, all), uvh_color(UVH_PLAIN));
}

static void print_row(struct uvh_stalls *stalls, struct uvh_stall_row *row, bool verbose)
{
	char type[UVH_TYPE_TEXT_BYTES], folder[PLACE_BYTES], share[UVH_TEXT_ROOM];

	printf("\n%s%s%s  %s", uvh_color(UVH_TITLE), callback_text(row->process, row->callback),
	       uvh_color(UVH_PLAIN), uvh_type_text(row->process, row->type, row->fs_type, type));
	if (uvh_trace_process_count(stalls->trace) > 1)
		printf(" of %s",
		       uvh_clean_text(row->process->folder, true, folder, sizeof(folder)));
	putchar('\n');
	print_times(stalls, row);
	if (verbose)
		print_chain(row);
	else
		print_origin(row);
	print_samples(row, verbose);
	if (row->inside.call_count == 0)
		return;
	printf("  synchronous file system calls: %s of it\n",
	       uvh_share_text((double) row->fs_ns / (double) row->total_ns, share));
	print_calls(row->process, &row->inside, verbose);
}

/* Which was the longest, where none was too long. */
static void print_none(const struct uvh_stalls *stalls)
{
	const struct uvh_stall_row *longest = &stalls->longest;
	char over[UVH_TEXT_ROOM], text[UVH_TEXT_ROOM], type[UVH_TYPE_TEXT_BYTES];
	char id[UVHOOKS_ID_TEXT_BYTES];

	if (stalls->callbacks == 0 && stalls->open_count == 0) {
		printf("No callback of a loop is in this trace%s.\n",
		       uvh_trace_filter_is_set(stalls->filter) ? ", or none passed the filters"
							       : "");
		return;
	}
	printf("No callback %sran longer than %s", stalls->open_count == 0 ? "" : "that returned ",
	       uvh_duration_text(stalls->over_ns, over));
	if (longest->longest_ns > 0)
		printf("; the longest was %s (%s %s): %s",
		       callback_text(longest->process, longest->callback),
		       uvh_type_text(longest->process, longest->type, longest->fs_type, type),
		       uvhooks_id_text(longest->id, id),
		       uvh_duration_text(longest->longest_ns, text));
	printf(".\n");
}

static void print_head(const struct uvh_stalls *stalls)
{
	const uint64_t count = uvh_stalls_count(stalls);
	char number[UVH_TEXT_ROOM], over[UVH_TEXT_ROOM], all[UVH_TEXT_ROOM], share[UVH_TEXT_ROOM];
	int64_t elapsed_ns = stalls->elapsed_ns;

	printf("%s callback%s ran longer than %s: %s in all", uvh_count_text(count, number),
	       count == 1 ? "" : "s", uvh_duration_text(stalls->over_ns, over),
	       uvh_duration_text(uvh_stalls_blocked_ns(stalls), all));
	if (elapsed_ns > 0)
		printf(", %s of the %s that loops ran",
		       uvh_share_text((double) uvh_stalls_blocked_ns(stalls) / (double) elapsed_ns,
				      share),
		       uvh_duration_text(elapsed_ns, all));
	putchar('\n');
}

/* Of all callbacks, be they long or not. */
static void print_all_calls(struct uvh_stalls *stalls)
{
	int64_t ns = uvh_stalls_calls_ns(&stalls->calls), inside_ns = 0;
	int64_t blocked_ns = uvh_stalls_blocked_ns(stalls);
	char number[UVH_TEXT_ROOM], all[UVH_TEXT_ROOM], share[UVH_TEXT_ROOM];
	uint64_t count = 0;

	for (size_t i = 0; i < stalls->calls.call_count; i++)
		count += stalls->calls.calls[i].count;
	for (size_t i = 0; i < stalls->row_count; i++)
		inside_ns += stalls->rows[i]->fs_ns;
	if (count == 0)
		return;
	printf("\n%s synchronous file system call%s on loop threads took %s",
	       uvh_count_text(count, number), count == 1 ? "" : "s", uvh_duration_text(ns, all));
	if (blocked_ns > 0)
		printf("; they are %s of the time above",
		       uvh_share_text((double) inside_ns / (double) blocked_ns, share));
	putchar('\n');
}

static void print_open(const struct uvh_stalls *stalls)
{
	char type[UVH_TYPE_TEXT_BYTES], id[UVHOOKS_ID_TEXT_BYTES], at[UVH_TEXT_ROOM];

	for (size_t i = 0; i < stalls->open_count; i++) {
		const struct uvh_stall_open *open = &stalls->open[i];

		printf("\n%s (%s %s) began at %s, and had not returned when the trace ended: the "
		       "process was\nkilled, or still runs. Whether it was stuck is not known.\n",
		       callback_text(open->process, open->callback),
		       uvh_type_text(open->process, open->type, open->fs_type, type),
		       uvhooks_id_text(open->id, id),
		       uvh_moment_text(open->begin_ns - open->process->start_ns, at));
	}
}

/* What the trace lacks to tell more. */
static void print_hints(const struct uvh_stalls *stalls)
{
	bool sampled = stalls->samples_seen, has_stacks = true;

	for (size_t i = 0; i < stalls->row_count; i++)
		has_stacks &= stalls->rows[i]->process->has_stacks;
	if (stalls->row_count + stalls->open_count == 0)
		return;
	if (!sampled)
		printf(
		    "\n%sto see where inside a callback the time goes: uvhooks record --watchdog "
		    "100ms -o DIR -- PROGRAM%s\n",
		    uvh_color(UVH_DIM), uvh_color(UVH_PLAIN));
	if (!has_stacks)
		printf("%s%s%s%s\n", sampled ? "\n" : "", uvh_color(UVH_DIM),
		       uvh_stack_how_to_record(), uvh_color(UVH_PLAIN));
}

void uvh_stalls_print(struct uvh_stalls *stalls, bool verbose)
{
	if (stalls->row_count == 0)
		print_none(stalls);
	else
		print_head(stalls);
	for (size_t i = 0; i < stalls->row_count; i++)
		print_row(stalls, stalls->rows[i], verbose);
	print_all_calls(stalls);
	print_open(stalls);
	print_hints(stalls);
}
