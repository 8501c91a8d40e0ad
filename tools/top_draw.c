/* SPDX-License-Identifier: MIT */
/* Drawing: the head, a table or a text, and a line of keys; whatever the window's size. */
#include <curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "top_screen.h"

#define LINE_BYTES 1024

/* Rows of the window that the head may take, in parts. */
#define HEAD_SHARE 3

static bool has_color;

enum pair { PAIR_WARN = 1, PAIR_BAD };

void uvh_top_draw_begin(void)
{
	const char *no_color = getenv("NO_COLOR");

	has_color = has_colors() && (no_color == NULL || no_color[0] == '\0');
	if (!has_color)
		return;
	start_color();
	use_default_colors();
	init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	init_pair(PAIR_BAD, COLOR_RED, -1);
}

static attr_t attribute(enum uvh_color color)
{
	switch (color) {
	case UVH_TITLE:
		return A_BOLD;
	case UVH_DIM:
		return A_DIM;
	case UVH_WARN:
		return has_color ? COLOR_PAIR(PAIR_WARN) : A_BOLD;
	case UVH_BAD:
		return has_color ? COLOR_PAIR(PAIR_BAD) | A_BOLD : A_BOLD;
	case UVH_PLAIN:
		break;
	}
	return A_NORMAL;
}

/* The bytes of the first `most` characters. */
static size_t bytes_of(const char *text, size_t most)
{
	size_t at = 0;

	while (text[at] != '\0' && most-- > 0)
		do
			at++;
		while ((text[at] & 0xc0) == 0x80);
	return at;
}

/* Writes what there is room for from `column` on; returns where it ended. */
static int put(int row, int column, attr_t attributes, const char *text)
{
	char plain[LINE_BYTES];
	size_t used = 0, bytes;

	if (row < 0 || row >= LINES || column >= COLS)
		return column;
	bytes = bytes_of(text, (size_t) (COLS - column));
	if (!uvh_is_utf8()) {
		for (size_t i = 0; i < bytes && used + 1 < sizeof(plain); i++)
			if ((text[i] & 0x80) == 0)
				plain[used++] = text[i];
			else if ((text[i] & 0xc0) != 0x80)
				plain[used++] = '?';
		plain[used] = '\0';
		text = plain;
		bytes = used;
	}
	attrset(attributes);
	mvaddnstr(row, column, text, (int) bytes);
	attrset(A_NORMAL);
	return column + (int) uvh_text_width(text) < COLS ? column + (int) uvh_text_width(text)
							  : COLS;
}

__attribute__((format(printf, 4, 5))) static int put_line(int row, int column, attr_t attributes,
							  const char *format, ...)
{
	char line[LINE_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	return put(row, column, attributes, line);
}

static int draw_head(const struct uvh_top_ui *ui)
{
	const int most = LINES / HEAD_SHARE > 4 ? LINES / HEAD_SHARE : 4;
	struct uvh_top_text text = {.count = 0};
	int row = 0;

	uvh_top_head(ui->top, (size_t) (most > 5 ? most - 4 : 1), &text);
	if (ui->is_gone)
		row = put_line(0, 0, attribute(UVH_BAD),
			       "process %d has ended; this was seen last; q leaves",
			       (int) ui->top->frame.pid) != 0;
	for (size_t i = 0; i < text.count && row < most + 1; i++)
		put(row++, 0, attribute(text.lines[i].color), text.lines[i].text);
	uvh_top_text_free(&text);
	return row;
}

static void draw_tabs(const struct uvh_top_ui *ui, int row)
{
	static const char *const names[UVH_TOP_VIEWS] = {
	    [UVH_TOP_TYPES] = "types",         [UVH_TOP_SITES] = "places",
	    [UVH_TOP_CALLBACKS] = "callbacks", [UVH_TOP_RESOURCES] = "resources",
	    [UVH_TOP_POOL] = "pool",           [UVH_TOP_LONG] = "longest",
	};
	int column = 0;

	for (int view = 0; view < UVH_TOP_VIEWS; view++)
		column = put_line(row, column, (int) ui->view == view ? A_REVERSE : A_DIM,
				  " %d %s ", view + 1, names[view]);
	if (ui->filter[0] != '\0' && !ui->is_editing)
		column = put_line(row, column + 1, attribute(UVH_WARN), "only: %s", ui->filter);
	if (ui->is_paused)
		put(row, column + 1, attribute(UVH_WARN), "stands still");
}

struct layout {
	size_t widths[UVH_TOP_COLUMNS]; /* 0: not shown */
};

static size_t whole_width(const struct layout *layout, size_t count)
{
	size_t width = 0;

	for (size_t i = 0; i < count; i++)
		width += layout->widths[i] != 0 ? layout->widths[i] + 2 : 0;
	return width;
}

static bool is_empty(const struct uvh_top_table *table, size_t column)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].cells[column].text[0] != '\0')
			return false;
	return true;
}

/* What a narrow window does without, the first ones first. */
static void narrow(const struct uvh_top_ui *ui, struct layout *layout)
{
	static const char *const dispensable[] = {"max",     "mean",     "closed/s", "self",
						  "run max", "wait max", "made/s",   "trigger",
						  "age",     "call",     "type"};
	const struct uvh_top_table *table = &ui->table;
	const size_t sorted = uvh_top_sorted_column(ui->view, ui->style);

	for (size_t i = 0; i < sizeof(dispensable) / sizeof(dispensable[0]); i++)
		for (size_t j = 0; j < table->column_count; j++)
			if (whole_width(layout, table->column_count) > (size_t) COLS &&
			    j != sorted && strcmp(table->columns[j].title, dispensable[i]) == 0)
				layout->widths[j] = 0;
}

/* A text in the last column is cut by the window, so that much of it should be seen. */
#define LAST_WIDTH 24

static void lay_out(const struct uvh_top_ui *ui, struct layout *layout)
{
	const struct uvh_top_table *table = &ui->table;

	*layout = (struct layout){{0}};
	for (size_t i = 0; i < table->column_count; i++) {
		size_t width = uvh_text_width(table->columns[i].title);

		if (table->columns[i].is_text && table->count != 0 && is_empty(table, i))
			continue;
		for (size_t j = 0; j < table->count; j++) {
			const size_t cell = uvh_text_width(table->rows[j].cells[i].text);

			width = cell > width ? cell : width;
		}
		if (i + 1 == table->column_count && table->columns[i].is_text && width > LAST_WIDTH)
			width = LAST_WIDTH;
		layout->widths[i] = width;
	}
	narrow(ui, layout);
}

static void put_cell(const struct uvh_top_ui *ui, const struct layout *layout, int row, int *column,
		     size_t number, attr_t attributes, const char *text)
{
	const size_t width = layout->widths[number], used = uvh_text_width(text);
	const size_t blanks = used < width ? width - used : 0;

	if (width == 0)
		return;
	*column += 2;
	if (ui->table.columns[number].is_text) {
		put(row, *column, attributes, text);
		*column += (int) (used > width ? used : width);
	} else {
		put(row, *column + (int) blanks, attributes, text);
		*column += (int) width;
	}
}

static void draw_row(const struct uvh_top_ui *ui, const struct layout *layout, int row,
		     size_t number)
{
	const bool is_selected = number == ui->selected;
	int column = 0;

	if (is_selected)
		put(row, 0, A_BOLD, ">");
	for (size_t i = 0; i < ui->table.column_count; i++) {
		const struct uvh_top_cell *cell = &ui->table.rows[number].cells[i];

		put_cell(ui, layout, row, &column, i,
			 is_selected ? A_REVERSE : attribute(cell->color), cell->text);
	}
}

static void draw_table(struct uvh_top_ui *ui, int row, int end)
{
	const size_t sorted = uvh_top_sorted_column(ui->view, ui->style);
	struct layout layout;
	int column = 0;

	ui->page = end > row + 1 ? (size_t) (end - row - 1) : 1;
	if (ui->selected < ui->first)
		ui->first = ui->selected;
	if (ui->selected >= ui->first + ui->page)
		ui->first = ui->selected - ui->page + 1;
	lay_out(ui, &layout);
	for (size_t i = 0; i < ui->table.column_count; i++)
		put_cell(ui, &layout, row, &column, i, i == sorted ? A_BOLD | A_UNDERLINE : A_BOLD,
			 ui->table.columns[i].title);
	row++;
	if (ui->table.count == 0)
		put(row, 2, A_DIM,
		    ui->filter[0] != '\0' ? "nothing that passes the filter" : "nothing");
	for (size_t i = ui->first; i < ui->table.count && row < end; i++)
		draw_row(ui, &layout, row++, i);
}

static void draw_text(const struct uvh_top_ui *ui, int row, int end)
{
	if (ui->shows == UVH_TOP_SHOWS_RESOURCE && ui->resource_gone)
		put(row++, 0, attribute(UVH_WARN), "It has ended; this was seen last:");
	for (size_t i = 0; i < ui->text.count && row < end; i++)
		put(row++, 0, attribute(ui->text.lines[i].color), ui->text.lines[i].text);
}

static void draw_foot(const struct uvh_top_ui *ui)
{
	const int row = LINES - 1;

	if (ui->is_editing)
		put_line(row, 0, A_BOLD, "filter: %s_", ui->filter);
	else if (ui->shows != UVH_TOP_SHOWS_TABLE)
		put(row, 0, A_DIM, "Esc back  q leave");
	else if (ui->table.left_out != 0)
		put_line(row, 0, A_DIM, "%zu more: / finds them  Enter more  h help  q leave",
			 ui->table.left_out);
	else
		put(row, 0, A_DIM,
		    "1-6 tables  Enter more  s sort  r turn  / filter  Space stop  h help  q "
		    "leave");
}

void uvh_top_draw(struct uvh_top_ui *ui)
{
	int row;

	erase();
	row = draw_head(ui);
	draw_tabs(ui, row);
	if (ui->shows == UVH_TOP_SHOWS_TABLE)
		draw_table(ui, row + 1, LINES - 1);
	else
		draw_text(ui, row + 1, LINES - 1);
	draw_foot(ui);
	refresh();
}
