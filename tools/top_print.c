/* SPDX-License-Identifier: MIT */
/* One frame as text, for people and pipes. */
#include <stdio.h>

#include "top.h"

#define LOOPS_MOST 8

static void print_text(struct uvh_top_text *text)
{
	for (size_t i = 0; i < text->count; i++) {
		const struct uvh_top_text_line *line = &text->lines[i];

		if (line->color != UVH_PLAIN)
			fputs(uvh_color(line->color), stdout);
		fputs(line->text, stdout);
		if (line->color != UVH_PLAIN)
			fputs(uvh_color(UVH_PLAIN), stdout);
		putchar('\n');
	}
	uvh_top_text_free(text);
}

static void print_view(struct uvh_top *top, enum uvh_top_view view,
		       const struct uvh_top_style *style, size_t lines)
{
	struct uvh_top_table rows;
	struct uvh_table *table;
	size_t shown;

	uvh_top_table(top, view, style, &rows);
	if (rows.count == 0) {
		uvh_top_table_free(&rows);
		return;
	}
	shown = rows.count < lines ? rows.count : lines;
	printf("\n%s%s%s\n", uvh_color(UVH_TITLE), uvh_top_view_title(view), uvh_color(UVH_PLAIN));
	table = uvh_table_new(rows.columns, rows.column_count);
	for (size_t i = 0; i < shown; i++)
		for (size_t j = 0; j < rows.column_count; j++)
			uvh_table_cell(table, rows.rows[i].cells[j].color, "%s",
				       rows.rows[i].cells[j].text);
	uvh_table_print(table);
	if (rows.count > shown)
		printf("  ... %zu more: --top %zu\n", rows.count - shown, rows.count);
	uvh_top_table_free(&rows);
}

void uvh_top_print(struct uvh_top *top, const struct uvh_top_style *style, size_t lines)
{
	static const enum uvh_top_view views[] = {UVH_TOP_TYPES, UVH_TOP_SITES, UVH_TOP_CALLBACKS,
						  UVH_TOP_POOL, UVH_TOP_LONG};
	struct uvh_top_text head = {.count = 0};

	uvh_top_head(top, LOOPS_MOST, &head);
	print_text(&head);
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		print_view(top, views[i], style, lines);
}

bool uvh_top_print_resource(struct uvh_top *top, uvhooks_async_id id)
{
	struct uvh_top_text text = {.count = 0};

	if (!uvh_top_resource(top, id, &text))
		return false;
	print_text(&text);
	return true;
}
