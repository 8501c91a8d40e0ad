/* SPDX-License-Identifier: MIT */
/* Numbers, durations and foreign texts, as people read them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

const char *uvh_count_text(uint64_t count, char text[UVH_TEXT_ROOM])
{
	char *at = text + UVH_TEXT_ROOM - 1;

	*at = '\0';
	for (unsigned int digits = 0; digits == 0 || count != 0; digits++) {
		if (digits > 0 && digits % 3 == 0)
			*--at = ',';
		*--at = (char) ('0' + count % 10);
		count /= 10;
	}
	return at;
}

const char *uvh_duration_text(int64_t ns, char text[UVH_TEXT_ROOM])
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	size_t unit = 0;
	double number;

	if (ns < 1000) {
		snprintf(text, UVH_TEXT_ROOM, "%lld ns", (long long) ns);
		return text;
	}
	/* What would be rounded to 1000 is 1.00 of the next unit. */
	while (unit < 2 && (double) ns / units[unit].ns >= 999.5)
		unit++;
	number = (double) ns / units[unit].ns;
	snprintf(text, UVH_TEXT_ROOM, "%.*f %s",
		 number < 9.995   ? 2
		 : number < 99.95 ? 1
				  : 0,
		 number, units[unit].name);
	return text;
}

const char *uvh_share_text(double share, char text[UVH_TEXT_ROOM])
{
	snprintf(text, UVH_TEXT_ROOM, "%.1f %%", share * 100);
	return text;
}

const char *uvh_moment_text(int64_t ns, char text[UVH_TEXT_ROOM])
{
	snprintf(text, UVH_TEXT_ROOM, "%.6f s", (double) ns / 1e9);
	return text;
}

const char *uvh_version_text(uint32_t version, char text[UVH_TEXT_ROOM])
{
	snprintf(text, UVH_TEXT_ROOM, "%u.%u.%u", version >> 16, version >> 8 & 0xff,
		 version & 0xff);
	return text;
}

/* How many bytes are one character of UTF-8 in its shortest form; 0: none is. */
static size_t character_bytes(const unsigned char *text, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t bytes = text[0] < 0x80   ? 1
		       : text[0] < 0xc0 ? 0
		       : text[0] < 0xe0 ? 2
		       : text[0] < 0xf0 ? 3
		       : text[0] < 0xf8 ? 4
					: 0;

	*character = bytes == 1 ? text[0] : text[0] & (0x7fu >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (text[i] & 0x3f);
	}
	if (bytes == 0 || *character < least[bytes] || *character > 0x10ffff ||
	    (*character >= 0xd800 && *character < 0xe000))
		return 0;
	return bytes;
}

char *uvh_clean_text(const char *text, bool without_controls, char *copy, size_t room)
{
	const unsigned char *at = (const unsigned char *) text;
	uint32_t character;
	size_t used = 0;

	while (*at != '\0') {
		size_t bytes = character_bytes(at, &character);
		bool control = character < ' ' || (character >= 0x7f && character < 0xa0);

		if (used + (bytes == 0 ? 1 : bytes) >= room)
			break;
		if (bytes == 0 || (control && without_controls))
			copy[used++] = '?';
		else
			used += (size_t) (mempcpy(copy + used, at, bytes) - (void *) (copy + used));
		at += bytes == 0 ? 1 : bytes;
	}
	copy[used] = '\0';
	return copy;
}

char *uvh_visible_text(const char *text)
{
	const unsigned char *at = (const unsigned char *) text;
	char *copy = malloc(4 * strlen(text) + 1), *end = copy;
	uint32_t character;

	while (copy != NULL && *at != '\0') {
		size_t bytes = character_bytes(at, &character);
		bool shown =
		    bytes != 0 && character >= ' ' && !(character >= 0x7f && character < 0xa0);

		for (bytes += bytes == 0; bytes > 0; bytes--, at++)
			end += sprintf(end, shown ? "%c" : "\\x%02x", *at);
	}
	if (copy != NULL)
		*end = '\0';
	return copy;
}

size_t uvh_text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

void uvh_add(struct uvh_words *words, const char *format, ...)
{
	const size_t room = words->room - words->used;
	va_list list;
	int bytes;

	va_start(list, format);
	bytes = vsnprintf(words->text + words->used, room, format, list);
	va_end(list);
	if (bytes > 0)
		words->used += (size_t) bytes < room ? (size_t) bytes : room - 1;
}
