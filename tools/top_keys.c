/* SPDX-License-Identifier: MIT */
/* What keys do on the screen of `uvhooks top`. */
#include <ctype.h>
#include <curses.h>
#include <string.h>

#include "top_screen.h"

#define KEY_ESCAPE 27
#define KEY_DELETE 127

static void show_view(struct uvh_top_ui *ui, enum uvh_top_view view)
{
	ui->view = view;
	ui->selected = ui->first = 0;
	ui->shows = UVH_TOP_SHOWS_TABLE;
	uvh_top_refresh(ui);
}

static void set_filter(struct uvh_top_ui *ui, const char *text)
{
	/* A filter looks for what is left where it is cut. */
	snprintf(ui->filter, sizeof(ui->filter), "%s", text);
	ui->selected = ui->first = 0;
	uvh_top_refresh(ui);
}

static void show_help(struct uvh_top_ui *ui)
{
	static const char *const lines[] = {
	    "1 to 6, Tab      types, places, callbacks, resources, thread pool, longest callbacks",
	    "arrows, j, k     select a line; PgUp, PgDn, Home, End",
	    "Enter            the resources of that line; of a resource: what led to it",
	    "Esc, Backspace   back, and the filter off",
	    "s, S, r          sort by the next or the previous column; turn the order round",
	    "/                filter: only lines with a text in them",
	    "Space            stand still, and go on",
	    "q, Ctrl-C        leave",
	};

	uvh_top_text_free(&ui->text);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		uvh_top_say(&ui->text, UVH_PLAIN, "%s", lines[i]);
	ui->shows = UVH_TOP_SHOWS_HELP;
}

/* The resources of a line have its type, or its callback. */
static void show_resources_of(struct uvh_top_ui *ui, const struct uvh_top_row *row)
{
	char text[UVH_TOP_FILTER_BYTES] = "";

	for (size_t i = 0; i < ui->table.column_count; i++) {
		const char *title = ui->table.columns[i].title;

		if (strcmp(title, "callback") == 0 && row->cells[i].text[0] != '\0')
			snprintf(text, sizeof(text), "%s", row->cells[i].text);
		else if (strcmp(title, "type") == 0 && text[0] == '\0')
			snprintf(text, sizeof(text), "%s", row->cells[i].text);
	}
	/* "TYPE call": the call is another column there. */
	text[strcspn(text, " ")] = '\0';
	set_filter(ui, text);
	show_view(ui, UVH_TOP_RESOURCES);
}

static void enter(struct uvh_top_ui *ui)
{
	const struct uvh_top_row *row;

	if (ui->shows != UVH_TOP_SHOWS_TABLE || ui->selected >= ui->table.count)
		return;
	row = &ui->table.rows[ui->selected];
	if (row->id != 0) {
		ui->id = row->id;
		ui->shows = UVH_TOP_SHOWS_RESOURCE;
		ui->resource_gone = false;
		uvh_top_text_free(&ui->text);
		uvh_top_refresh(ui);
	} else if (ui->view != UVH_TOP_POOL) {
		show_resources_of(ui, row);
	}
}

static void go_back(struct uvh_top_ui *ui)
{
	if (ui->shows != UVH_TOP_SHOWS_TABLE) {
		ui->shows = UVH_TOP_SHOWS_TABLE;
		return;
	}
	if (ui->filter[0] != '\0')
		set_filter(ui, "");
}

/* `by` rows down; far beyond an end is that end. */
static void move_by(struct uvh_top_ui *ui, long by)
{
	const long last = ui->table.count != 0 ? (long) ui->table.count - 1 : 0;
	long selected = (long) ui->selected + by;

	if (ui->shows != UVH_TOP_SHOWS_TABLE)
		return;
	selected = selected < 0 ? 0 : selected > last ? last : selected;
	ui->selected = (size_t) selected;
}

static void sort_by(struct uvh_top_ui *ui, size_t by)
{
	size_t count;
	const struct uvh_column *columns = uvh_top_columns(ui->view, &count);
	const size_t column = uvh_top_sorted_column(ui->view, ui->style);

	ui->style->sort = columns[(column + by) % count].title;
	uvh_top_refresh(ui);
}

static void edit(struct uvh_top_ui *ui, int key)
{
	char text[UVH_TOP_FILTER_BYTES];
	size_t length = strlen(ui->filter);

	memcpy(text, ui->filter, sizeof(text));
	switch (key) {
	case '\r':
	case '\n':
	case KEY_ENTER:
		ui->is_editing = false;
		return;
	case KEY_ESCAPE:
		ui->is_editing = false;
		set_filter(ui, "");
		return;
	case KEY_BACKSPACE:
	case KEY_DELETE:
	case '\b':
		/* A character of UTF-8 goes as a whole. */
		while (length > 0 && (text[--length] & 0xc0) == 0x80)
			;
		break;
	default:
		if (key < ' ' || key > 0xff || length + 1 >= sizeof(text))
			return;
		text[length++] = (char) key;
		break;
	}
	text[length] = '\0';
	set_filter(ui, text);
}

/* False: it is none of these. */
static bool select_by(struct uvh_top_ui *ui, int key)
{
	const long page = ui->page > 1 ? (long) ui->page - 1 : 1;

	switch (key) {
	case KEY_DOWN:
	case 'j':
		move_by(ui, 1);
		return true;
	case KEY_UP:
	case 'k':
		move_by(ui, -1);
		return true;
	case KEY_NPAGE:
		move_by(ui, page);
		return true;
	case KEY_PPAGE:
		move_by(ui, -page);
		return true;
	case KEY_HOME:
	case 'g':
		move_by(ui, -(long) ui->table.count);
		return true;
	case KEY_END:
	case 'G':
		move_by(ui, (long) ui->table.count);
		return true;
	}
	return false;
}

static void change(struct uvh_top_ui *ui, int key)
{
	size_t count;

	switch (key) {
	case '\t':
	case KEY_RIGHT:
		show_view(ui, (ui->view + 1) % UVH_TOP_VIEWS);
		break;
	case KEY_BTAB:
	case KEY_LEFT:
		show_view(ui, (ui->view + UVH_TOP_VIEWS - 1) % UVH_TOP_VIEWS);
		break;
	case 's':
	case '>':
		sort_by(ui, 1);
		break;
	case 'S':
	case '<':
		uvh_top_columns(ui->view, &count);
		sort_by(ui, count - 1);
		break;
	case 'r':
		ui->style->reversed = !ui->style->reversed;
		uvh_top_refresh(ui);
		break;
	case '/':
		ui->shows = UVH_TOP_SHOWS_TABLE;
		ui->is_editing = true;
		break;
	case ' ':
		ui->is_paused = !ui->is_paused;
		break;
	case 'h':
	case '?':
		show_help(ui);
		break;
	case '\r':
	case '\n':
	case KEY_ENTER:
		enter(ui);
		break;
	case KEY_ESCAPE:
	case KEY_BACKSPACE:
	case KEY_DELETE:
	case '\b':
		go_back(ui);
		break;
	case 'q':
	case 'Q':
		ui->leaves = true;
		break;
	default:
		if (key >= '1' && key < '1' + UVH_TOP_VIEWS)
			show_view(ui, (enum uvh_top_view)(key - '1'));
		break;
	}
}

void uvh_top_key(struct uvh_top_ui *ui, int key)
{
	if (key == KEY_RESIZE)
		return;
	if (ui->is_editing)
		edit(ui, key);
	else if (!select_by(ui, key))
		change(ui, key);
}
