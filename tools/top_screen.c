/* SPDX-License-Identifier: MIT */
/* The live screen: looks, draws, and waits for keys, until it is left. */
#include "top_screen.h"

#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

/* Asking must not hold the keys for longer. */
#define ASK_TIMEOUT_NS INT64_C(250000000)

#define ESCAPE_MS 25

#define SLICE_NS INT64_C(1000000000)

static bool can_show(void)
{
	const char *terminal = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		uvh_bad_usage("top", "a live screen needs a terminal; use --once or --json");
		return false;
	}
	if (terminal == NULL || terminal[0] == '\0' || strcmp(terminal, "dumb") == 0) {
		uvh_bad_usage("top",
			      "TERM is '%s', which can show no live screen; use --once or "
			      "--json",
			      terminal != NULL ? terminal : "");
		return false;
	}
	return true;
}

static SCREEN *begin_screen(void)
{
	SCREEN *screen;

	setlocale(LC_ALL, "");
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL) {
		uvh_bad_usage("top", "nothing is known of a terminal '%s'; use --once or --json",
			      getenv("TERM"));
		return NULL;
	}
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	timeout(0);
	uvh_top_draw_begin();
	return screen;
}

static void end_screen(SCREEN *screen)
{
	endwin();
	delscreen(screen);
}

/* A resource that was selected stays so where its line goes; but who looks at the first line
   goes on to do that. */
static void select_again(struct uvh_top_ui *ui, uvhooks_async_id id)
{
	for (size_t i = 0; id != 0 && i < ui->table.count; i++)
		if (ui->table.rows[i].id == id)
			ui->selected = i;
	if (ui->selected >= ui->table.count)
		ui->selected = ui->table.count != 0 ? ui->table.count - 1 : 0;
}

void uvh_top_refresh(struct uvh_top_ui *ui)
{
	const bool follows =
	    ui->view == UVH_TOP_RESOURCES && ui->selected != 0 && ui->selected < ui->table.count;
	const uvhooks_async_id id = follows ? ui->table.rows[ui->selected].id : 0;

	uvh_top_table_free(&ui->table);
	uvh_top_table(ui->top, ui->view, ui->style, &ui->table);
	select_again(ui, id);
	if (ui->shows != UVH_TOP_SHOWS_RESOURCE || ui->is_gone)
		return;
	/* One that has ended is shown as it was last. */
	if (uvh_top_record(ui->top->frame.sample, ui->id) == NULL) {
		ui->resource_gone = true;
		return;
	}
	ui->resource_gone = false;
	uvh_top_text_free(&ui->text);
	uvh_top_resource(ui->top, ui->id, &ui->text);
}

static void look(struct uvh_top_ui *ui)
{
	if (ui->is_gone || ui->is_paused)
		return;
	if (!uvh_top_ask(ui->top, ASK_TIMEOUT_NS) || !uvh_top_look(ui->top)) {
		ui->is_gone = true;
		return;
	}
	uvh_top_frame(ui->top);
	uvh_top_refresh(ui);
}

static int64_t at_most(int64_t ns, int64_t most_ns)
{
	return ns < most_ns ? ns : most_ns;
}

/* Keys until it is time to look again; and so that the meter goes on meanwhile. */
static void wait_for_keys(struct uvh_top_ui *ui, int64_t until_ns)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	while (!ui->leaves && !uvh_top_is_interrupted()) {
		const int64_t left_ns = until_ns - uvh_top_now_ns(CLOCK_MONOTONIC);
		int key;

		if (left_ns <= 0)
			return;
		if (!ui->is_gone && !ui->is_paused && !uvh_top_ask(ui->top, ASK_TIMEOUT_NS))
			return;
		if (poll(&input, 1, (int) (at_most(left_ns, SLICE_NS) / 1000000 + 1)) > 0 &&
		    (input.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
			ui->leaves = true;
			return;
		}
		/* One of them may be that the window has another size. */
		while (!ui->leaves && (key = getch()) != ERR) {
			uvh_top_key(ui, key);
			uvh_top_draw(ui);
		}
	}
}

static void run(struct uvh_top_ui *ui, int64_t interval_ns)
{
	while (!ui->leaves && !uvh_top_is_interrupted()) {
		const int64_t next_ns = uvh_top_now_ns(CLOCK_MONOTONIC) + interval_ns;

		look(ui);
		uvh_top_draw(ui);
		wait_for_keys(ui, next_ns);
	}
}

int uvh_top_screen(struct uvh_top *top, struct uvh_top_style *style, int64_t interval_ns)
{
	struct uvh_top_ui ui = {.top = top, .style = style};
	SCREEN *screen;

	if (!can_show())
		return UVH_USAGE;
	/* Before the first frame there is nothing to be drawn. */
	if (!uvh_top_ask(top, ASK_TIMEOUT_NS) || !uvh_top_look(top)) {
		uvh_say("process %d has ended", (int) uvh_process_pid(top->process));
		return UVH_FAILED;
	}
	uvh_top_frame(top);
	screen = begin_screen();
	if (screen == NULL)
		return UVH_USAGE;
	snprintf(ui.filter, sizeof(ui.filter), "%s", style->filter);
	style->filter = ui.filter;
	uvh_top_refresh(&ui);
	run(&ui, interval_ns);
	end_screen(screen);
	uvh_top_table_free(&ui.table);
	uvh_top_text_free(&ui.text);
	if (!ui.is_gone)
		return UVH_OK;
	uvh_say("process %d has ended", (int) uvh_process_pid(top->process));
	return UVH_FAILED;
}
