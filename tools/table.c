/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define CELL_BYTES 1024
#define LONG_NS    10000000  /* long for a callback: a loop that waits for it is late */
#define BLOCKED_NS 100000000 /* so long that people notice */

struct cell {
	char *text;
	enum uvh_color color;
};

/* Invariant: the cells are in rows of `columns`, but for the last row while it is being given. */
struct uvh_table {
	const struct uvh_column *columns;
	size_t column_count;
	struct cell *cells;
	size_t count, room;
};

struct uvh_table *uvh_table_new(const struct uvh_column *columns, size_t count)
{
	struct uvh_table *table = uvh_zeros(1, sizeof(*table));

	table->columns = columns;
	table->column_count = count;
	return table;
}

void uvh_table_cell(struct uvh_table *table, enum uvh_color color, const char *format, ...)
{
	char text[CELL_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	table->cells = uvh_grow(table->cells, &table->room, table->count + 1, sizeof(struct cell));
	table->cells[table->count++] = (struct cell){uvh_copy_text(text), color};
}

void uvh_table_count(struct uvh_table *table, uint64_t count)
{
	char text[UVH_TEXT_ROOM];

	uvh_table_cell(table, count == 0 ? UVH_DIM : UVH_PLAIN, "%s", uvh_count_text(count, text));
}

void uvh_table_duration(struct uvh_table *table, int64_t ns)
{
	char text[UVH_TEXT_ROOM];

	uvh_table_cell(table,
		       ns >= BLOCKED_NS ? UVH_BAD
		       : ns >= LONG_NS  ? UVH_WARN
					: UVH_PLAIN,
		       "%s", uvh_duration_text(ns, text));
}

static size_t width_of_column(const struct uvh_table *table, size_t column)
{
	size_t widest = uvh_text_width(table->columns[column].title);

	for (size_t i = column; i < table->count; i += table->column_count) {
		size_t width = uvh_text_width(table->cells[i].text);

		if (width > widest)
			widest = width;
	}
	return widest;
}

static void print_cell(const struct uvh_table *table, size_t column, size_t width, const char *text,
		       enum uvh_color color)
{
	bool is_last = column + 1 == table->column_count;
	int blanks = (int) (width - uvh_text_width(text));

	fputs("  ", stdout);
	if (!table->columns[column].is_text)
		printf("%*s", blanks, "");
	if (color != UVH_PLAIN)
		fputs(uvh_color(color), stdout);
	fputs(text, stdout);
	if (color != UVH_PLAIN)
		fputs(uvh_color(UVH_PLAIN), stdout);
	if (table->columns[column].is_text && !is_last)
		printf("%*s", blanks, "");
}

static void print_rows(const struct uvh_table *table, const size_t *widths)
{
	for (size_t i = 0; i < table->column_count; i++)
		print_cell(table, i, widths[i], table->columns[i].title, UVH_DIM);
	putchar('\n');
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->column_count;

		print_cell(table, column, widths[column], table->cells[i].text,
			   table->cells[i].color);
		if (column + 1 == table->column_count)
			putchar('\n');
	}
}

void uvh_table_print(struct uvh_table *table)
{
	size_t *widths = uvh_zeros(table->column_count, sizeof(*widths));

	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = width_of_column(table, i);
	if (table->count > 0)
		print_rows(table, widths);
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(widths);
	free(table->cells);
	free(table);
}
