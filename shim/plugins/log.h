/* SPDX-License-Identifier: MIT */
/*
 * Writing events as lines: what the log plugin does, and others do with a word more in each line.
 *
 * All of it runs inside the traced process, on its threads and its stacks. So: no stdio, no locale,
 * no malloc, no lock, nothing that grows; a line is composed on the stack and leaves in one write.
 */
#ifndef LOG_H
#define LOG_H

#include <stdatomic.h>
#include <uvhooks/plugin.h>

/* Above what the longest line needs: all flags, a type of 64 bytes, a name of LOG_SYMBOL_BYTES. */
#define LOG_LINE_BYTES 1024

/* A line being composed. What does not fit is left out; room for its end is always kept. */
struct log_line {
	size_t used;
	char text[LOG_LINE_BYTES];
};

void log_line_text(struct log_line *line, const char *text);

/* A text of the program's: what is no UTF-8, or has a meaning in JSON or terminals, becomes '?'. */
void log_line_foreign(struct log_line *line, const char *text);
void log_line_type(struct log_line *line, unsigned int type);
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
	/* what the plugin says of the event beyond that: a word; empty: it has none to say; NULL:
	   it says nothing of any event */
	const char *context;
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

/* Who it is that writes, in messages: the plugin's name. */
extern const char log_plugin_name[];

/*
 * Checks that lines can be written to `file` (NULL: to stderr) without touching it. 0, or -1 and
 * the reason in `args`.
 */
int log_file_check(struct uvhooks_plugin_args *args, const char *file);

/* As log_file_check; then gets ready, and opens the file if this process has a libuv. */
int log_file_start(struct uvhooks_plugin_args *args, const char *file, log_lost_line lost_line);

/* Writes a line, or counts it as lost. Neither errno nor cancellation is touched. */
void log_file_write(const struct log_line *line);

/* Says something on stderr, if that is still what it was at the start. */
void log_file_say(const struct log_line *line);

/* In a set of types, all those that programs name themselves. */
#define LOG_NAMED_TYPES UVHOOKS_TYPE_MAX

/* What the options have chosen. */
struct log_options {
	const char *file; /* NULL: stderr. Good while the plugin's init runs. */
	bool json;
	uint32_t events; /* a mask of enum uvhooks_event_type */
	bool some_types; /* only those in `types` */
	bool types[LOG_NAMED_TYPES + 1];
};

/* Never NULL. Another one when they change; whoever reads one may read it to the end. */
extern const struct log_options *_Atomic log_options;

/* These count from now on. On one thread at a time. */
void log_options_set(const struct log_options *options);

/* An option of the plugin's own. The last of several has no key. */
struct log_option {
	const char *key;
	bool is_list; /* its items are read one by one; they are parted by ',' or '+' */
	int (*read)(struct uvhooks_plugin_args *args, const char *value, size_t length);
	const char *summary; /* "only=LIST" */
};

#define LOG_OPTIONS "file=PATH, format=text|json, events=LIST and types=LIST"

/*
 * Reads those of LOG_OPTIONS, and `more`. What is not named stays as it is in `options`; zeros are
 * what is usual. 0, or -1 and the reason in `args`.
 */
int log_options_read(struct uvhooks_plugin_args *args, const struct log_option *more,
		     struct log_options *options);

/* Gets ready to write, as the options say. 0, or -1 and the reason in `args`. */
int log_start(struct uvhooks_plugin_args *args);

/* Where lines go, and how many were lost; for people. */
void log_file_status(char *text, size_t bytes);

/* Calls `callback` for the events of a mask from now on. 0, or -1 and the reason in `args`. */
int log_hook(struct uvhooks_plugin_args *args, uint32_t events, uvhooks_event_cb callback);

/* The same, in the place of an earlier mask; what is not in it is left out by log_event(). */
int log_hook_again(struct uvhooks_plugin_args *args, uint32_t events, uvhooks_event_cb callback);

/* Writes the line of an event, if the options want it; `context` as in struct log_moment. */
void log_event(const struct uvhooks_event *event, const char *context);

#endif
