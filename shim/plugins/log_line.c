/* SPDX-License-Identifier: MIT */
/* Composes a line by hand: no printf in a traced process, whose locale and locks are not ours. */
#include "log.h"

#include <string.h>

/* Enough for 2^64 - 1. */
#define DIGITS 20

void log_line_text(struct log_line *line, const char *text)
{
	size_t bytes = strlen(text);
	size_t room = sizeof(line->text) - 1 - line->used;

	if (bytes > room)
		bytes = room;
	memcpy(line->text + line->used, text, bytes);
	line->used += bytes;
}

void log_line_padded(struct log_line *line, uint64_t number, unsigned int width, char fill)
{
	char digits[DIGITS + 1];
	char *first = digits + DIGITS;

	*first = '\0';
	do {
		*--first = (char) ('0' + number % 10);
		number /= 10;
	} while (number != 0);
	while (first > digits && digits + DIGITS - first < (ptrdiff_t) width)
		*--first = fill;
	log_line_text(line, first);
}

void log_line_number(struct log_line *line, uint64_t number)
{
	log_line_padded(line, number, 0, '0');
}

void log_line_hex(struct log_line *line, uint64_t number)
{
	char digits[16 + 1];
	char *first = digits + 16;

	*first = '\0';
	do {
		*--first = "0123456789abcdef"[number & 15];
		number >>= 4;
	} while (number != 0);
	log_line_text(line, "0x");
	log_line_text(line, first);
}

void log_line_id(struct log_line *line, uvhooks_async_id id)
{
	if (uvhooks_id_space(id) != 0) {
		log_line_number(line, uvhooks_id_space(id));
		log_line_text(line, ":");
	}
	log_line_number(line, uvhooks_id_sequence(id));
}

void log_line_end(struct log_line *line)
{
	line->text[line->used++] = '\n';
}
