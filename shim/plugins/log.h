/* SPDX-License-Identifier: MIT */
/*
 * What the files of the log plugin share.
 *
 * All of it runs inside the traced process, on its threads and its stacks. So: no stdio, no locale,
 * no malloc, no lock, nothing that grows; a line is composed on the stack and leaves in one write.
 */
#ifndef LOG_H
#define LOG_H

#include <uvhooks/plugin.h>

/* Above what the longest line needs: nine flags and a name of LOG_SYMBOL_BYTES. */
#define LOG_LINE_BYTES 1024

/* A line being composed. What does not fit is left out; room for its end is always kept. */
struct log_line {
	size_t used;
	char text[LOG_LINE_BYTES];
};

void log_line_text(struct log_line *line, const char *text);
void log_line_number(struct log_line *line, uint64_t number);
void log_line_padded(struct log_line *line, uint64_t number, unsigned int width, char fill);
void log_line_hex(struct log_line *line, uint64_t number);
void log_line_id(struct log_line *line, uvhooks_async_id id);
void log_line_end(struct log_line *line);

/* When and where an event happened, as far as the event itself does not say. */
struct log_moment {
	uint64_t time_ns;   /* since the plugin started */
	unsigned int depth; /* of callbacks and loops on this thread */
	bool show_thread;   /* more than one thread, or process, writes to this log */
};

void log_text_event(struct log_line *line, const struct uvhooks_event *event,
		    const struct log_moment *moment);
void log_text_lost(struct log_line *line, uint64_t lost, uint64_t time_ns);
void log_json_event(struct log_line *line, const struct uvhooks_event *event,
		    const struct log_moment *moment);
void log_json_lost(struct log_line *line, uint64_t lost, uint64_t time_ns);

/* The longest name of a callback, with its NUL; a longer one ends in "...". */
#define LOG_SYMBOL_BYTES 256

/* Learns the program's name. Called once, before any event. */
void log_symbol_start(void);

/*
 * The name of the function at `address`: "on_timer", or "library+0x1234", or "0x7f0012345678" where
 * no library is. Printable ASCII without quotes and backslashes. Good for ever, or in `buffer`.
 */
const char *log_symbol(const void *address, char buffer[LOG_SYMBOL_BYTES]);

/* Writes the line that says how many were lost. */
typedef void (*log_lost_line)(struct log_line *line, uint64_t lost);

/*
 * Checks that lines can be written to `file` (NULL: to stderr) without touching it. 0, or -1 and
 * the reason in `args`.
 */
int log_file_check(struct uvhooks_plugin_args *args, const char *file);

/* As log_file_check; then gets ready, and opens the file if this process has a libuv. */
int log_file_start(struct uvhooks_plugin_args *args, const char *file, log_lost_line lost_line);

/* Writes a line, or counts it as lost. Neither errno nor cancellation is touched. */
void log_file_write(const struct log_line *line);

#endif
