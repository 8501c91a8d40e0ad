/* SPDX-License-Identifier: MIT */
/* What was never closed, for people. */
#include "leaks.h"

#include <libgen.h>
#include <stdio.h>

#include "terminal.h"

#define NAME_BYTES 256

/* So many groups of a kind are shown without -v. */
#define GROUPS_MAX 10

static const struct {
	const char *title, *remark;
} kinds[] = {
    [UVH_LEAKS_BUSY] = {"Never closed", "uv_loop_close said UV_EBUSY because of them"},
    [UVH_LEAKS_GROWS] = {"Never closed, and more and more of them", ""},
    [UVH_LEAKS_LATE] = {"More and more of them, until all were closed in the end", ""},
    [UVH_LEAKS_STOPPED] = {"Never closed, though stopped or never started", ""},
    [UVH_LEAKS_PENDING] = {"Requests that were never completed",
			   "pending for longer than any of their kind took"},
    [UVH_LEAKS_CHILD] = {"Children that nobody waits for",
			 "their handle was closed before they had exited; they stay zombies"},
    [UVH_LEAKS_INACTIVE] = {"Not suspected: open, and not active", ""},
    [UVH_LEAKS_ALIVE] = {"Not suspected: alive", ""},
};

/* How many were alive, part by part; of all that were ever alive at once the top is the most. */
static void print_curve(const struct uvh_leaks_growth *growth)
{
	static const char *const bars[] = {
	    "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
	    "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88",
	};
	uint64_t most = 1;

	for (unsigned int part = 0; part < UVH_LEAKS_PARTS; part++)
		if (growth->at_end_of[part] > most)
			most = growth->at_end_of[part];
	for (unsigned int part = 0; part < UVH_LEAKS_PARTS; part++) {
		double share = (double) growth->at_end_of[part] / (double) most;

		if (uvh_is_utf8())
			fputs(growth->at_end_of[part] == 0 ? " " : bars[(int) (share * 7)], stdout);
		else
			putchar('0' + (int) (share * 9));
	}
}

/* "12 a second", "87 an hour": in what is at least one. */
static void print_rate(double per_second)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"a second", 1}, {"a minute", 60}, {"an hour", 3600}, {"a day", 86400}};
	size_t unit = 0;
	char text[UVH_TEXT_ROOM];

	while (unit < 3 && per_second * units[unit].seconds < 1)
		unit++;
	printf("%s %s", uvh_count_text((uint64_t) (per_second * units[unit].seconds + 0.5), text),
	       units[unit].name);
}

static void print_growth(struct uvh_leaks *leaks, const struct uvh_live_group *group)
{
	struct uvh_leaks_growth growth;
	char made[UVH_TEXT_ROOM], live[UVH_TEXT_ROOM];

	uvh_leaks_growth(leaks, group, &growth);
	printf("        ");
	print_curve(&growth);
	printf("  alive: %s of %s made there", uvh_count_text(growth.live, live),
	       uvh_count_text(growth.made, made));
	if (group->kind == UVH_LEAKS_LATE) {
		printf(", ");
		print_rate(growth.per_second);
	} else if (group->kind == UVH_LEAKS_GROWS) {
		printf(", ");
		print_rate(growth.per_second);
		printf(growth.still ? ", and it goes on" : ", but not any more");
	}
	putchar('\n');
}

static void print_group(struct uvh_leaks *leaks, const struct uvh_live_group *group)
{
	struct uvh_live_style style = {
	    .verbose = leaks->why.verbose,
	    .now_ns = uvh_why_now(&leaks->why, group->process),
	};

	uvh_live_print_group(group, &style);
	if (group->kind != UVH_LEAKS_CHILD && group->count > 1)
		print_growth(leaks, group);
}

static void print_process(const struct uvh_trace_process *process)
{
	char program[NAME_BYTES];

	uvh_clean_text(process->program, true, program, sizeof(program));
	printf("%s%s (pid %u)%s\n", uvh_color(UVH_TITLE), basename(program), process->pid,
	       uvh_color(UVH_PLAIN));
}

static void print_title(unsigned int kind)
{
	printf("  %s%s%s", uvh_color(UVH_LEAKS_SUSPECTED(kind) ? UVH_WARN : UVH_PLAIN),
	       kinds[kind].title, uvh_color(UVH_PLAIN));
	if (kinds[kind].remark[0] != '\0')
		printf("  %s%s%s", uvh_color(UVH_DIM), kinds[kind].remark, uvh_color(UVH_PLAIN));
	putchar('\n');
}

/* Those of one kind in a process. */
static void print_kind(struct uvh_leaks *leaks, const struct uvh_trace_process *process,
		       unsigned int kind)
{
	size_t shown = 0, left = 0;

	for (size_t i = 0; i < leaks->groups.count; i++) {
		const struct uvh_live_group *group = &leaks->groups.groups[i];

		if (group->process != process || group->kind != kind)
			continue;
		if (shown == 0)
			print_title(kind);
		if (leaks->why.verbose || shown < GROUPS_MAX)
			print_group(leaks, group), shown++;
		else
			left++;
	}
	if (left > 0)
		printf("    %s... and %zu groups more: -v%s\n", uvh_color(UVH_DIM), left,
		       uvh_color(UVH_PLAIN));
}

static size_t count_of(const struct uvh_leaks *leaks, const struct uvh_trace_process *process,
		       bool suspected)
{
	size_t count = 0;

	for (size_t i = 0; i < leaks->groups.count; i++)
		if (leaks->groups.groups[i].process == process &&
		    leaks->groups.groups[i].kind != UVH_LEAKS_CLOSED &&
		    UVH_LEAKS_SUSPECTED(leaks->groups.groups[i].kind) == suspected)
			count += leaks->groups.groups[i].count;
	return count;
}

/* What is alive, and not suspected, in a line. */
static void print_rest(size_t others, bool found, bool verbose)
{
	char text[UVH_TEXT_ROOM];

	if (others == 0)
		printf("  %s\n", found ? "Nothing else is alive at the end."
				       : "No leaks: nothing is alive at the end.");
	else
		printf("  %s%s %s alive at the end, and not suspected%s\n",
		       found ? "" : "No leaks: ", uvh_count_text(others, text),
		       others == 1 ? "resource is" : "resources are",
		       verbose ? "." : "; -v lists what.");
}

void uvh_leaks_print(struct uvh_leaks *leaks)
{
	bool lacks_stacks = false;
	size_t told = 0;

	for (size_t i = 0; i < uvh_trace_process_count(leaks->why.trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(leaks->why.trace, i);
		bool found = count_of(leaks, process, true) > 0;

		if (!uvh_trace_filter_wants_process(leaks->why.filter, process))
			continue;
		print_process(process);
		for (unsigned int kind = 0; kind <= UVH_LEAKS_ALIVE; kind++)
			if (UVH_LEAKS_SUSPECTED(kind) || leaks->why.verbose)
				print_kind(leaks, process, kind);
		print_rest(count_of(leaks, process, false), found, leaks->why.verbose);
		lacks_stacks |= found && !process->has_stacks;
		told++;
	}
	if (told == 0)
		printf("No process passes the filters.\n");
	if (lacks_stacks)
		printf("\n%sWho made them is told by stacks: %s%s\n", uvh_color(UVH_DIM),
		       uvh_stack_how_to_record(), uvh_color(UVH_PLAIN));
}
