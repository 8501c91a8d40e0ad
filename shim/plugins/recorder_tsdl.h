/* SPDX-License-Identifier: MIT */
/*
 * The text of `metadata`. It needs nothing of the recorder: the tools write it, too, where they
 * make a trace from what is left of a process.
 */
#ifndef RECORDER_TSDL_H
#define RECORDER_TSDL_H

#include <stddef.h>
#include <stdint.h>

/* What does not fit is left out. */
struct recorder_text {
	char *text;
	size_t used, room;
};

void recorder_text_add(struct recorder_text *text, const char *words);
void recorder_text_number(struct recorder_text *text, uint64_t number, unsigned int columns);

/* For the env block. */
void recorder_text_string(struct recorder_text *text, const char *name, const char *value,
			  size_t bytes);
void recorder_text_integer(struct recorder_text *text, const char *name, uint64_t value);

/* Between these comes "env { ... };", and "clock { name = "ticks"; ... };" with its numbers. */
void recorder_tsdl_begin(struct recorder_text *text, const uint8_t uuid[16]);
void recorder_tsdl_clock(struct recorder_text *text, uint64_t frequency, uint64_t offset_s,
			 uint64_t offset);
void recorder_tsdl_end(struct recorder_text *text);

#endif
