/* SPDX-License-Identifier: MIT */
/* What stands above the tables: the process, its loops, the pool, what is missing; line by line. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "top.h"

#define LINE_BYTES 1024

/* So busy a loop is late for all that comes. */
#define BUSY_WARN 0.5
#define BUSY_BAD  0.9

#define LONG_NS  10000000   /* a callback that runs for so long is more than one of many */
#define STUCK_NS 1000000000 /* is stuck, or as good as that */

void uvh_top_say(struct uvh_top_text *text, enum uvh_color color, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	text->lines = uvh_grow(text->lines, &text->room, text->count + 1, sizeof(*text->lines));
	text->lines[text->count++] = (struct uvh_top_text_line){uvh_copy_text(line), color};
}

void uvh_top_text_free(struct uvh_top_text *text)
{
	for (size_t i = 0; i < text->count; i++)
		free(text->lines[i].text);
	free(text->lines);
	*text = (struct uvh_top_text){.count = 0};
}

static const char *rate(uint64_t count, double seconds, char text[UVH_TEXT_ROOM])
{
	double rate = seconds > 0 ? (double) count / seconds : 0;

	/* A few a minute are not none. */
	if (rate > 0 && rate < 9.95) {
		snprintf(text, UVH_TEXT_ROOM, "%.1f", rate);
		return text;
	}
	return uvh_count_text((uint64_t) (rate + 0.5), text);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static void say_process(const struct uvh_top *top, struct uvh_top_text *text)
{
	const struct uvh_top_frame *frame = &top->frame;
	const struct uvhooks_control *control = &frame->sample->control;
	char up[UVH_TEXT_ROOM], measured[64] = "";

	if (frame->is_metered)
		snprintf(measured, sizeof(measured), ", measured for %.2f s", frame->seconds);
	uvh_top_say(text, UVH_TITLE, "%s (pid %d)  libuv %.*s; up %s%s", base_name(frame->program),
		    (int) frame->pid, (int) sizeof(control->libuv), control->libuv,
		    uvh_age_text(frame->sample->now_ns - (int64_t) control->begin_ns, up),
		    measured);
}

static void say_totals(const struct uvh_top *top, struct uvh_top_text *text)
{
	const struct uvh_top_frame *frame = &top->frame;
	char live[UVH_TEXT_ROOM], made[UVH_TEXT_ROOM], closed[UVH_TEXT_ROOM], runs[UVH_TEXT_ROOM];

	if (!frame->is_metered)
		uvh_top_say(text, UVH_PLAIN, "  %s live; rates are not known",
			    uvh_count_text(frame->live, live));
	else
		uvh_top_say(text, UVH_PLAIN,
			    "  %s live, %s made and %s closed a second; %s callbacks a second",
			    uvh_count_text(frame->live, live),
			    rate(frame->made, frame->seconds, made),
			    rate(frame->closed, frame->seconds, closed),
			    rate(frame->runs, frame->seconds, runs));
}

const char *uvh_top_loop_text(const struct uvh_top_loop *loop, char *text, size_t bytes)
{
	char id[UVHOOKS_ID_TEXT_BYTES], how_long[UVH_TEXT_ROOM], time[64] = "", type[300] = "";

	if (loop->callback[0] == '\0') {
		snprintf(text, bytes, "%s", "");
		return text;
	}
	if (loop->for_ns >= 0)
		snprintf(time, sizeof(time), " for %s", uvh_duration_text(loop->for_ns, how_long));
	else if (loop->seen_ns > 0)
		snprintf(time, sizeof(time), ", seen there for %s",
			 uvh_duration_text(loop->seen_ns, how_long));
	if (loop->type[0] != '\0')
		snprintf(type, sizeof(type), " (%s)", loop->type);
	snprintf(text, bytes, "runs %s of %s%s%s", loop->callback, uvhooks_id_text(loop->id, id),
		 type, time);
	return text;
}

static void say_loop(const struct uvh_top *top, const struct uvh_top_loop *loop,
		     struct uvh_top_text *text)
{
	const double seconds = top->frame.seconds;
	const int64_t for_ns = loop->for_ns >= 0 ? loop->for_ns : loop->seen_ns;
	const bool runs = loop->callback[0] != '\0';
	const enum uvh_color color = (runs && for_ns > STUCK_NS) || loop->busy >= BUSY_BAD ? UVH_BAD
				     : loop->busy >= BUSY_WARN ? UVH_WARN
							       : UVH_PLAIN;
	char share[UVH_TEXT_ROOM], count[UVH_TEXT_ROOM], turns[UVH_TEXT_ROOM], does[LINE_BYTES];
	char rates[128];

	uvh_top_loop_text(loop, does, sizeof(does));
	if (loop->busy < 0) {
		uvh_top_say(text, color, "  loop %-3u %s", loop->space,
			    runs ? does : "in libuv, or at top level");
		return;
	}
	snprintf(rates, sizeof(rates), "%s callbacks a second in %s turns",
		 rate(loop->runs, seconds, count), rate(loop->turns, seconds, turns));
	/* What is stuck comes first: a window may be narrow. */
	uvh_top_say(text, color, "  loop %-3u busy %7s  %s%s%s", loop->space,
		    uvh_share_text(loop->busy, share), runs && for_ns > LONG_NS ? does : rates,
		    runs ? "; " : "",
		    !runs              ? ""
		    : for_ns > LONG_NS ? rates
				       : does);
}

static void say_loops(const struct uvh_top *top, size_t most, struct uvh_top_text *text)
{
	const struct uvh_top_frame *frame = &top->frame;
	const size_t count = frame->loop_count;

	if (count == 0)
		uvh_top_say(text, UVH_DIM, "  no loop has run yet");
	for (size_t i = 0; i < count && i < most; i++)
		say_loop(top, &frame->loops[i], text);
	if (count > most)
		uvh_top_say(text, UVH_DIM, "  ... %zu more loops", count - most);
}

static void say_pool(const struct uvh_top *top, struct uvh_top_text *text)
{
	const struct uvh_top_frame *frame = &top->frame;
	const enum uvh_color color = frame->pool_waiting > 0 ? UVH_WARN : UVH_PLAIN;
	char waiting[UVH_TEXT_ROOM], done[UVH_TEXT_ROOM], longest[UVH_TEXT_ROOM];
	char most[64] = "";
	uint64_t count = 0;
	int64_t wait_ns = 0;

	if (frame->pool_count == 0)
		return;
	for (size_t i = 0; i < frame->pool_count; i++) {
		count += frame->pool[i].done;
		if (frame->pool[i].wait_most_ns > wait_ns)
			wait_ns = frame->pool[i].wait_most_ns;
	}
	if (wait_ns != 0)
		snprintf(most, sizeof(most), ", waited %s at most",
			 uvh_duration_text(wait_ns, longest));
	uvh_top_say(text, color, "  pool     %llu of %zu threads run, %s wait; %s done a second%s",
		    (unsigned long long) frame->pool_running, frame->pool_threads,
		    uvh_count_text(frame->pool_waiting, waiting), rate(count, frame->seconds, done),
		    most);
}

static void say_lost(const struct uvh_top *top, struct uvh_top_text *text)
{
	static const char *const names[] = {
#define XX(name) #name,
	    UVHOOKS_COUNTER_MAP(XX)
#undef XX
	};
	const struct uvh_top_frame *frame = &top->frame;
	char line[LINE_BYTES] = "", count[UVH_TEXT_ROOM];
	size_t used = 0;

	for (size_t i = 0; i < frame->sample->counter_count && used < sizeof(line) - 1; i++)
		if (frame->sample->counters[i] != 0)
			used += (size_t) snprintf(
			    line + used, sizeof(line) - used, "%s%s %s", used != 0 ? ", " : "",
			    i < sizeof(names) / sizeof(names[0]) ? names[i] : "(of a newer shim)",
			    uvh_count_text(frame->sample->counters[i], count));
	if (frame->untold != 0 && used < sizeof(line) - 1)
		snprintf(line + used, sizeof(line) - used, "%s%s not counted for want of room",
			 used != 0 ? ", " : "", uvh_count_text(frame->untold, count));
	if (line[0] == '\0')
		uvh_top_say(text, UVH_PLAIN, "  nothing lost");
	else
		uvh_top_say(text, UVH_WARN, "  lost: %s", line);
}

void uvh_top_head(const struct uvh_top *top, size_t loops, struct uvh_top_text *text)
{
	const struct uvhooks_control *control = &top->frame.sample->control;

	say_process(top, text);
	say_totals(top, text);
	say_loops(top, loops, text);
	say_pool(top, text);
	say_lost(top, text);
	if ((control->state & UVHOOKS_CONTROL_BROKEN) != 0)
		uvh_top_say(text, UVH_BAD,
			    "  the shim has turned itself off: it broke a rule of "
			    "its own, and sees nothing any more");
	else if ((control->state & UVHOOKS_CONTROL_DISABLED) != 0)
		uvh_top_say(text, UVH_BAD, "  the shim is switched off and sees nothing");
	if (top->no_stacks[0] != '\0')
		uvh_top_say(text, UVH_WARN, "  no stacks: %s", top->no_stacks);
	if (top->trouble[0] != '\0' && !top->frame.is_metered)
		uvh_top_say(text, UVH_BAD, "  %s", top->trouble);
}
