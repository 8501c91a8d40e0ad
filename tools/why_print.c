/* SPDX-License-Identifier: MIT */
/* What keeps loops alive, for people. */
#include "why.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "terminal.h"

#define NAME_BYTES 256

/* So many groups of a loop are shown without -v. */
#define GROUPS_MAX 10

/* "Loop 0 of nvim (pid 1234)" */
static void print_name(const struct uvh_why_loop *loop)
{
	char program[NAME_BYTES];

	uvh_clean_text(loop->process->program, true, program, sizeof(program));
	printf("%sLoop %u of %s (pid %u)%s", uvh_color(UVH_TITLE), loop->space, basename(program),
	       loop->process->pid, uvh_color(UVH_PLAIN));
}

static const char *since_start(const struct uvh_why_loop *loop, int64_t time_ns,
			       char text[UVH_TEXT_ROOM])
{
	return uvh_moment_text(time_ns - loop->process->start_ns, text);
}

/* What is known of how it ended. */
static void print_end(const struct uvh_why *why, const struct uvh_why_loop *loop)
{
	int64_t now_ns = uvh_why_now(why, loop->process);
	char text[UVH_TEXT_ROOM];

	if (loop->running > 0)
		printf("in uv_run at %s", since_start(loop, now_ns, text));
	else if (loop->exit_ns != 0)
		printf("uv_run returned at %s", since_start(loop, loop->exit_ns, text));
	else if (loop->older)
		printf("older than the trace");
	else
		printf("uv_run was not called");
	if (now_ns < loop->process->last_ns)
		return; /* --to: the trace goes on */
	if (loop->process->stopped)
		printf("%s", loop->running > 0 ? ", when the recording ended" : "");
	else if (loop->process->ended)
		printf("%s", loop->running > 0 ? ", when the process ended" : "");
	else
		printf("%s; the process was killed, or still runs",
		       loop->running > 0 ? ", the last that is known" : "");
}

static void print_count(size_t count, const char *what)
{
	char text[UVH_TEXT_ROOM];

	printf("%s %s%s", uvh_count_text(count, text), what, count == 1 ? "" : "s");
}

/* "2 handles, 1 request and 1 handle that is being closed" */
static void print_keepers(const struct uvh_why_loop *loop)
{
	static const char *const words[] = {
	    [UVH_LIVE_ACTIVE] = "handle",
	    [UVH_LIVE_PENDING] = "request",
	    [UVH_LIVE_CLOSING] = "closing handle",
	};
	size_t left = uvh_why_keepers(loop);

	for (unsigned int i = 0; i <= UVH_LIVE_CLOSING; i++) {
		if (loop->counts[i] == 0)
			continue;
		if (left != uvh_why_keepers(loop))
			printf(left == loop->counts[i] ? " and " : ", ");
		print_count(loop->counts[i], words[i]);
		left -= loop->counts[i];
	}
}

static void print_groups(const struct uvh_live_groups *groups, unsigned int least,
			 unsigned int most, const struct uvh_live_style *style)
{
	size_t shown = 0, left = 0;

	for (size_t i = 0; i < groups->count; i++) {
		if (groups->groups[i].kind < least || groups->groups[i].kind > most)
			continue;
		if (style->verbose || shown < GROUPS_MAX)
			uvh_live_print_group(&groups->groups[i], style), shown++;
		else
			left++;
	}
	if (left > 0)
		printf("    %s... and %zu groups more: -v%s\n", uvh_color(UVH_DIM), left,
		       uvh_color(UVH_PLAIN));
}

/* Those that do not matter to libuv, in a line. */
static void print_others(const struct uvh_why *why, const struct uvh_why_loop *loop,
			 const struct uvh_live_style *style)
{
	size_t unreferenced = loop->counts[UVH_LIVE_UNREFERENCED];
	size_t inactive = loop->counts[UVH_LIVE_INACTIVE];
	char text[UVH_TEXT_ROOM];

	if (unreferenced + inactive == 0)
		return;
	printf("  Open, but not keeping it alive: ");
	if (unreferenced > 0)
		printf("%s active without a reference (uv_unref)%s",
		       uvh_count_text(unreferenced, text), inactive > 0 ? ", " : "");
	if (inactive > 0)
		printf("%s not active", uvh_count_text(inactive, text));
	printf("%s\n", why->verbose ? ":" : "");
	if (why->verbose)
		print_groups(&loop->groups, UVH_LIVE_UNREFERENCED, UVH_LIVE_INACTIVE, style);
}

static void print_busy(const struct uvh_why *why, const struct uvh_why_loop *loop)
{
	const struct uvh_why_busy *busy = &loop->busy;
	struct uvh_live_style style = {.verbose = why->verbose, .now_ns = busy->time_ns};
	char text[UVH_TEXT_ROOM];

	/* What is closing already is what a program waits for that ends in good order. */
	if (busy->count == 0 && !why->verbose)
		return;
	printf("  uv_loop_close said UV_EBUSY at %s: ", since_start(loop, busy->time_ns, text));
	if (busy->count == 0) {
		printf("what was left was closing already\n");
		return;
	}
	print_count(busy->count - busy->requests, "handle");
	printf(" %s not closed", busy->count - busy->requests == 1 ? "was" : "were");
	if (busy->requests > 0) {
		printf(", ");
		print_count(busy->requests, "request");
		printf(" pending");
	}
	if (busy->still_open == 0 && busy->count > 0)
		printf(" (closed later)");
	else if (busy->still_open < busy->count)
		printf(" (%zu closed later)", busy->count - busy->still_open);
	printf("%s\n", why->verbose || busy->still_open > 0 ? ":" : "");
	if (why->verbose || busy->still_open > 0)
		print_groups(&busy->groups, 0, UINT32_MAX, &style);
}

static bool is_worth_telling(const struct uvh_why *why, const struct uvh_why_loop *loop)
{
	return why->verbose || uvh_why_keepers(loop) > 0 || loop->busy.time_ns != 0;
}

static void print_loop(const struct uvh_why *why, const struct uvh_why_loop *loop)
{
	struct uvh_live_style style = {
	    .verbose = why->verbose,
	    .now_ns = uvh_why_now(why, loop->process),
	};

	print_name(loop);
	printf("  %s", uvh_color(UVH_DIM));
	print_end(why, loop);
	printf("%s\n", uvh_color(UVH_PLAIN));
	if (loop->busy.time_ns != 0)
		print_busy(why, loop);
	if (uvh_why_keepers(loop) == 0) {
		printf("  Nothing keeps it alive%s.\n",
		       uvh_trace_filter_is_set(why->filter) ? " that passes the filters" : "");
	} else {
		printf("  Kept alive by ");
		print_keepers(loop);
		printf("%s:\n", loop->told ? "" : ", as far as the events tell");
		print_groups(&loop->groups, 0, UVH_LIVE_CLOSING, &style);
	}
	print_others(why, loop, &style);
}

/* The loops that are not worth telling, in a line for each process. */
static size_t print_quiet(const struct uvh_why *why, const struct uvh_trace_process *process)
{
	const struct uvh_why_loop *last = NULL;
	size_t count = 0;
	char program[NAME_BYTES];

	for (size_t i = 0; i < why->count; i++) {
		if (why->loops[i]->process != process || is_worth_telling(why, why->loops[i]))
			continue;
		last = why->loops[i];
		count++;
	}
	if (count == 1) {
		print_name(last);
		printf("  %s", uvh_color(UVH_DIM));
		print_end(why, last);
		printf("%s\n  Nothing keeps it alive%s.\n", uvh_color(UVH_PLAIN),
		       uvh_trace_filter_is_set(why->filter) ? " that passes the filters" : "");
		print_others(why, last, &(struct uvh_live_style){.now_ns = 0});
	} else if (count > 1) {
		uvh_clean_text(process->program, true, program, sizeof(program));
		printf("%s%zu loops of %s (pid %u)%s\n  Nothing keeps them alive%s.\n",
		       uvh_color(UVH_TITLE), count, basename(program), process->pid,
		       uvh_color(UVH_PLAIN),
		       uvh_trace_filter_is_set(why->filter) ? " that passes the filters" : "");
	}
	return count;
}

void uvh_why_print(const struct uvh_why *why)
{
	bool lacks_stacks = false;
	size_t told = 0;

	for (size_t i = 0; i < uvh_trace_process_count(why->trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(why->trace, i);

		if (!uvh_trace_filter_wants_process(why->filter, process))
			continue;
		for (size_t loop = 0; loop < why->count; loop++) {
			if (why->loops[loop]->process != process ||
			    !is_worth_telling(why, why->loops[loop]))
				continue;
			print_loop(why, why->loops[loop]);
			lacks_stacks |= !process->has_stacks;
			told++;
		}
		told += print_quiet(why, process);
	}
	if (told == 0)
		printf("%s\n", uvh_trace_filter_is_set(why->filter)
				   ? "No loop passes the filters."
				   : "There is no loop in this trace.");
	if (lacks_stacks)
		printf("\n%sWho made them is told by stacks: %s%s\n", uvh_color(UVH_DIM),
		       uvh_stack_how_to_record(), uvh_color(UVH_PLAIN));
}
