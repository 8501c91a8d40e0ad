/* SPDX-License-Identifier: MIT */
/*
 * The context plugin: the log plugin's lines, each with the connection that caused the event in
 * front. The program knows nothing of it.
 *
 *	[c1]     0.000921  before 7 TCPSERVERWRAP (uv_tcp_t) trigger=1 execution=7
 *	[c1]     0.000936    init 9 TCPWRAP (uv_tcp_t) trigger=7 execution=7
 *	[c1]     0.000951    link 7 TCPSERVERWRAP (uv_tcp_t) trigger=1 execution=7
 *	[c1]     0.001512  before 9 TCPWRAP (uv_tcp_t) trigger=7 execution=9
 *	[c1]     0.001533    init 10 GETADDRINFOREQWRAP trigger=9 execution=9
 *	[-]      0.002008  before 3 TIMERWRAP (uv_timer_t) trigger=1 execution=3
 *
 * c1, c2, ... are connections, in the order in which they came; d1, d2, ... are datagrams, each of
 * which is a connection of its own; [-] is what none of them is known to have caused. With
 * format=json that is the key "context", "c1" or null.
 *
 * Options are those of the log plugin (see log.c), and
 *
 * - only=LIST: only the events of these: c3,d1,... and '-' for those of none, '?' of several
 * - datagrams=0: datagrams are no connections of their own
 *
 * How: a connection begins with the callback of a server, and goes over to the handle that is
 * accepted there; or with the callback of an uv_udp_t that brings a datagram. Such a callback, and
 * later each callback of the accepted handle, of its writes and of its shutdown, is given the
 * connection as the store of a local storage. From there the shim carries it on: to what is created
 * in that callback, to the timers that are started there, to the work that is queued, to the thread
 * that is woken.
 *
 * The limit: a program may keep a queue of its own that libuv does not see, such as the call_soon
 * of Python's asyncio, and work it off in one callback of libuv. What connections do with their own
 * handles is told apart even there; but what else is made in that callback (a timer, say) could be
 * any one's that has put something into the queue since. So:
 *
 * - The callback of an uv_idle_t, uv_prepare_t or uv_check_t that a connection has started is the
 *   connection's only if nobody else had a callback since; else it says [?], and so does what it
 *   causes: several may have.
 * - An uv_async_t runs for whoever has sent last, although libuv makes one of many sends; and an
 *   uv_timer_t for whoever has started it last, although all of a program's timers may be behind it
 *   (as they are in Node).
 *
 * A program that makes what is in its queue async resources (uvhooks/async_resource.h) has no such
 * limit.
 */
#include "context_connection.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <uvhooks/local_storage.h>

#define TAGS_MAX 64

const char log_plugin_name[] = "context";

static struct uvhooks_local_storage storage =
    UVHOOKS_LOCAL_STORAGE(context_drop, UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS);

/*
 * The connection that this thread had a callback of last, and how often that has changed. Small,
 * since room for the static TLS of a plugin is.
 */
static __thread struct context_tag turn __attribute__((tls_model("initial-exec")));
static __thread uint64_t turns __attribute__((tls_model("initial-exec")));

static bool tag_datagrams = true;
static struct context_tag only[TAGS_MAX];
static size_t only_count; /* 0: all are shown */

static struct context_tag tag_of(const struct context_connection *connection)
{
	const struct context_tag none = {0, 0};

	return connection == NULL ? none : connection->tag;
}

/* What the scope in which the event happens has. Good as long as it does. */
static struct context_connection *current(void)
{
	return uvhooks_local_storage_get_store(&storage);
}

static bool is_same(struct context_tag left, struct context_tag right)
{
	return left.kind == right.kind && left.number == right.number;
}

/* What runs from here on is this connection's, or none's. */
static void note_turn(struct context_tag tag)
{
	if (is_same(turn, tag))
		return;
	turn = tag;
	turns++;
}

/* What is caused from here to the end of the callback is the connection's. */
static void enter(struct context_connection *connection)
{
	/* What is entered already is not entered again, and not released for that. */
	if (current() == connection)
		return;
	context_hold(connection);
	if (uvhooks_local_storage_enter_with(&storage, connection) != 0)
		context_drop(connection);
}

/*
 * The connection whose handle this is, or whose handle this request works on; to be dropped. What
 * these were created by does not matter: a program may well write to one connection in a callback
 * of another.
 */
static struct context_connection *owner_of(const struct uvhooks_event *event)
{
	switch (event->type) {
	case UVHOOKS_TCPWRAP:
	case UVHOOKS_PIPEWRAP:
		return context_find(event->async_id);
	case UVHOOKS_WRITEWRAP:
	case UVHOOKS_SHUTDOWNWRAP:
		return context_find(event->trigger_async_id);
	}
	return NULL;
}

/* Does a connection or a datagram come with this callback, given that it is one? 0: no. */
static char arrival(const struct uvhooks_event *event)
{
	if (event->flags & (UVHOOKS_FLAG_CLOSING | UVHOOKS_FLAG_NOOP))
		return 0;
	switch (event->type) {
	case UVHOOKS_TCPSERVERWRAP:
	case UVHOOKS_PIPESERVERWRAP:
		return CONTEXT_CONNECTION;
	case UVHOOKS_UDPWRAP:
		return tag_datagrams ? CONTEXT_DATAGRAM : 0;
	}
	return 0;
}

/* The resource's own connection, or what it has captured. */
static struct context_tag tag_of_resource(const struct uvhooks_event *event)
{
	struct context_connection *owner = owner_of(event);
	struct context_tag tag;

	if (owner == NULL)
		return tag_of(uvhooks_local_storage_store_of_event(&storage, event));
	tag = owner->tag;
	context_drop(owner);
	return tag;
}

/* What may run a queue of the program's that others than who started it have put something into. */
static bool may_run_queue(const struct uvhooks_event *event)
{
	return event->type == UVHOOKS_IDLEWRAP || event->type == UVHOOKS_PREPAREWRAP ||
	       event->type == UVHOOKS_CHECKWRAP;
}

/* Noted is the turn, counting from 1. What none has started is none's, whoever comes meanwhile. */
static struct context_tag on_start(const struct uvhooks_event *event)
{
	if (may_run_queue(event) && current() != NULL)
		context_note(event->async_id, turns + 1);
	return tag_of_resource(event);
}

static struct context_tag on_stop(const struct uvhooks_event *event)
{
	if (may_run_queue(event))
		context_note(event->async_id, 0);
	return tag_of_resource(event);
}

static struct context_tag on_before_queue(const struct uvhooks_event *event)
{
	uint64_t since = context_noted(event->async_id);

	if (since != 0 && since != turns + 1)
		enter(&context_several);
	/* What has no connection here just goes on with what others have begun. */
	if (current() != NULL)
		note_turn(tag_of(current()));
	return tag_of(current());
}

static struct context_tag on_before(const struct uvhooks_event *event)
{
	struct context_connection *connection = owner_of(event);
	char kind = arrival(event);

	if (may_run_queue(event) && !(event->flags & UVHOOKS_FLAG_CLOSING))
		return on_before_queue(event);
	if (connection == NULL && kind != 0)
		connection = context_connection_new(kind);
	if (connection != NULL) {
		enter(connection);
		context_drop(connection);
	}
	note_turn(tag_of(current()));
	return turn;
}

/*
 * As before: what has come with the callback, or with the wake-up, only its scope has; what the
 * resource carries is not what was entered in its callback.
 */
static struct context_tag on_after(const struct uvhooks_event *event)
{
	if (arrival(event) != 0 || event->type == UVHOOKS_ASYNCWRAP || may_run_queue(event))
		return tag_of(current());
	return tag_of_resource(event);
}

/* Is the event in a callback? At top level what is entered would never end. */
static bool is_in_callback(const struct uvhooks_event *event)
{
	return uvhooks_id_sequence(event->execution_async_id) > 1;
}

/*
 * A handle was accepted: the connection that has come with this callback is its own, if that has no
 * handle yet. (A server may accept several at once, or later, and a pipe may bring a handle.)
 */
static struct context_tag on_link(const struct uvhooks_event *event)
{
	struct context_connection *connection = current();
	struct context_tag tag;

	if (uvhooks_type_kind(event->type) != UVHOOKS_KIND_HANDLE) /* it is sent, over a pipe */
		return tag_of_resource(event);
	if (connection != NULL && connection->tag.kind == CONTEXT_CONNECTION &&
	    context_tie(connection, event->other_async_id))
		return connection->tag;
	connection = context_connection_new(CONTEXT_CONNECTION);
	if (connection == NULL)
		return tag_of_resource(event);
	context_tie(connection, event->other_async_id);
	tag = connection->tag;
	if (is_in_callback(event)) {
		enter(connection);
		note_turn(tag);
	}
	context_drop(connection);
	return tag;
}

/* A handle that came over a pipe may turn out to be a server. */
static struct context_tag on_type_change(const struct uvhooks_event *event)
{
	context_forget(event->async_id);
	return tag_of_resource(event);
}

static struct context_tag on_destroy(const struct uvhooks_event *event)
{
	struct context_tag tag = tag_of_resource(event);

	if (event->type == UVHOOKS_TCPWRAP || event->type == UVHOOKS_PIPEWRAP ||
	    may_run_queue(event))
		context_forget(event->async_id);
	return tag;
}

static struct context_tag note(const struct uvhooks_event *event)
{
	switch (event->event) {
	case UVHOOKS_EVENT_BEFORE:
		return on_before(event);
	case UVHOOKS_EVENT_AFTER:
		return on_after(event);
	case UVHOOKS_EVENT_START:
		return on_start(event);
	case UVHOOKS_EVENT_STOP:
		return on_stop(event);
	case UVHOOKS_EVENT_LINK:
		return on_link(event);
	case UVHOOKS_EVENT_TYPE_CHANGE:
		return on_type_change(event);
	case UVHOOKS_EVENT_DESTROY:
		return on_destroy(event);
	}
	return tag_of_resource(event);
}

static bool is_shown(struct context_tag tag)
{
	for (size_t i = 0; i < only_count; i++)
		if (is_same(only[i], tag))
			return true;
	return only_count == 0;
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	struct context_tag tag = note(event);
	char text[CONTEXT_TAG_BYTES];

	(void) data;
	if (is_shown(tag))
		log_event(event, context_tag_text(tag, text));
}

/* "c12", "d3", "?", or "-" for what has no tag. */
static bool read_tag(const char *word, size_t length, struct context_tag *tag)
{
	*tag = (struct context_tag){0, 0};
	if (length == 1 && word[0] == CONTEXT_SEVERAL)
		tag->kind = CONTEXT_SEVERAL;
	if (length == 1 && (word[0] == '-' || word[0] == CONTEXT_SEVERAL))
		return true;
	if (length < 2 || length > 19 || word[1] == '0')
		return false;
	if (word[0] != CONTEXT_CONNECTION && word[0] != CONTEXT_DATAGRAM)
		return false;
	tag->kind = word[0];
	for (size_t i = 1; i < length; i++) {
		if (word[i] < '0' || word[i] > '9')
			return false;
		tag->number = 10 * tag->number + (uint64_t) (word[i] - '0');
	}
	return true;
}

static int read_only(struct uvhooks_plugin_args *args, const char *word, size_t length)
{
	struct context_tag tag;

	if (!read_tag(word, length, &tag))
		return uvhooks_plugin_error(
		    args,
		    "only: '%.*s' is nobody; say c1 for the first connection, d1 for the first "
		    "datagram, - for events of none, or ? for those of several",
		    (int) length, word);
	if (only_count == TAGS_MAX)
		return uvhooks_plugin_error(args, "only: %d are the most that can be chosen",
					    TAGS_MAX);
	only[only_count++] = tag;
	return 0;
}

static int read_datagrams(struct uvhooks_plugin_args *args, const char *value, size_t length)
{
	if (length != 1 || (value[0] != '0' && value[0] != '1'))
		return uvhooks_plugin_error(args, "datagrams=%s: known are 0 and 1", value);
	tag_datagrams = value[0] == '1';
	return 0;
}

static const struct log_option options[] = {
    {"only", true, read_only, "only=LIST"},
    {"datagrams", false, read_datagrams, "datagrams=0|1"},
    {NULL, false, NULL, NULL},
};

/* With UVHOOKS_VERBOSE=1, as the shim says what it has lost. */
static bool is_verbose;

__attribute__((destructor)) static void at_end(void)
{
	struct log_line line = {.used = 0};
	uint64_t made, released;

	if (!is_verbose)
		return;
	context_count(&made, &released);
	log_line_text(&line, "uvhooks: context: ");
	log_line_number(&line, made);
	log_line_text(&line, " connections and datagrams, ");
	log_line_number(&line, made - released);
	log_line_text(&line, " of them still held");
	log_line_end(&line);
	log_file_say(&line);
}

static int context_init(struct uvhooks_plugin_args *args)
{
	const char *verbose = getenv("UVHOOKS_VERBOSE");
	struct log_options read = {0};

	only_count = 0;
	tag_datagrams = true;
	if (log_options_read(args, options, &read) != 0)
		return -1;
	if (args->dry_run)
		return log_file_check(args, read.file);
	log_options_set(&read);
	if (log_start(args) != 0)
		return -1;
	if (context_connection_start() != 0)
		return uvhooks_plugin_error(args, "no memory to watch forks");
	is_verbose = verbose != NULL && strcmp(verbose, "1") == 0;
	/* Also those that are not shown: they may begin or end a connection. */
	return log_hook(args, read.events | UVHOOKS_EVENTS_OF_A_LOG, on_event);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "context",
    .summary = "the log, with the connection that caused each event: " LOG_OPTIONS
	       ", only=LIST and datagrams=0|1",
    .init = context_init,
};
