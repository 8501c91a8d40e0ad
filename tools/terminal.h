/* SPDX-License-Identifier: MIT */
/*
 * Text for people: numbers, durations and foreign texts as they are read best, tables, and colours
 * where they are wanted.
 */
#ifndef UVH_TERMINAL_H
#define UVH_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the OPTIONS part of a verb's help. */
#define UVH_COLOR_HELP                                                                             \
	"  --color WHEN     always, never or auto (the default): where the output is a "           \
	"terminal,\n"                                                                              \
	"                   and NO_COLOR is not set\n"

/* Takes the value of --color. UVH_OK, or UVH_USAGE when it has said what is wrong. */
int uvh_color_option(const char *verb, const char *when);

enum uvh_color { UVH_PLAIN, UVH_TITLE, UVH_DIM, UVH_WARN, UVH_BAD };

/* What switches a colour on, UVH_PLAIN what ends it; "" where there are no colours. */
const char *uvh_color(enum uvh_color color);

/* Can the output show more than ASCII? By the locale of the environment. */
bool uvh_is_utf8(void);

#define UVH_TEXT_ROOM 32 /* for the texts of numbers and durations */

/* "1,234,567" */
const char *uvh_count_text(uint64_t count, char text[UVH_TEXT_ROOM]);

/* "950 ns", "12.3 us", "4.56 ms", "1.23 s", "250 s": three digits. */
const char *uvh_duration_text(int64_t ns, char text[UVH_TEXT_ROOM]);

/* "12.3 %" */
const char *uvh_share_text(double share, char text[UVH_TEXT_ROOM]);

/* "1.250340 s": a moment, since the beginning of something. */
const char *uvh_moment_text(int64_t ns, char text[UVH_TEXT_ROOM]);

/* libuv's version as uv_version() gives it: "1.44.2" */
const char *uvh_version_text(uint32_t version, char text[UVH_TEXT_ROOM]);

/*
 * Copies a text that is not ours, cut where the room ends; what is no UTF-8 becomes '?', and so do
 * control characters, if they must not reach a terminal. Returns `copy`.
 */
char *uvh_clean_text(const char *text, bool without_controls, char *copy, size_t room);

/* A copy in which nothing has a meaning to a terminal: controls, and what is no UTF-8, become
   "\x1b". To be freed; NULL if memory is short. */
char *uvh_visible_text(const char *text);

/* Characters, not bytes. */
size_t uvh_text_width(const char *text);

/* A text that grows at its end, and is cut where its room ends. */
struct uvh_words {
	char *text;
	size_t room, used;
};

void uvh_add(struct uvh_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A table: cells are given row by row, from left to right, and printed when all are known. */
struct uvh_table;

struct uvh_column {
	const char *title;
	bool is_text; /* aligned to the left; numbers are to the right */
};

struct uvh_table *uvh_table_new(const struct uvh_column *columns, size_t count);
void uvh_table_cell(struct uvh_table *table, enum uvh_color color, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void uvh_table_count(struct uvh_table *table, uint64_t count);

/* One that is long enough to block a loop is coloured. */
void uvh_table_duration(struct uvh_table *table, int64_t ns);

/* Prints it on stdout, unless it has no row, and frees it. */
void uvh_table_print(struct uvh_table *table);

#endif
