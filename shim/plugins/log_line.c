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

/*
 * How many bytes of `text` are one character, in UTF-8 as it must be; 0: none is. Shortest forms
 * only, no surrogates, and nothing above U+10FFFF.
 */
static size_t utf8_bytes(const unsigned char *text)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char low, high;   /* of the second */
		unsigned char bytes;
	} forms[] = {
	    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
	    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
	    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	if (text[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t at = 2;

		if (text[0] < forms[i].first || text[0] > forms[i].last)
			continue;
		if (text[1] < forms[i].low || text[1] > forms[i].high)
			return 0;
		while (at < forms[i].bytes && (text[at] & 0xc0) == 0x80)
			at++;
		return at == forms[i].bytes ? at : 0;
	}
	return 0;
}

/* Has it a meaning beyond itself? U+0080 to U+009F are control characters, too. */
static bool is_special(const unsigned char *text)
{
	return text[0] < ' ' || text[0] == '"' || text[0] == '\\' || text[0] == 0x7f ||
	       (text[0] == 0xc2 && text[1] < 0xa0);
}

void log_line_foreign(struct log_line *line, const char *text)
{
	const unsigned char *at = (const unsigned char *) text;

	while (*at != '\0') {
		size_t bytes = utf8_bytes(at);

		if (sizeof(line->text) - 1 - line->used < bytes)
			return;
		if (bytes == 0 || is_special(at)) {
			log_line_text(line, "?");
		} else {
			memcpy(line->text + line->used, at, bytes);
			line->used += bytes;
		}
		at += bytes == 0 ? 1 : bytes;
	}
}

void log_line_type(struct log_line *line, unsigned int type)
{
	if (type < UVHOOKS_TYPE_NAMED)
		log_line_text(line, uvhooks_type_name(type));
	else
		log_line_foreign(line, uvhooks_type_name(type));
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
