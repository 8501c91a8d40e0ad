/* SPDX-License-Identifier: MIT */
/*
 * What all verbs have in common that answer a question about a trace: their options, the reading
 * with its progress, what is said of lost events and damage, and the status to end with.
 */
#ifndef UVH_VERB_H
#define UVH_VERB_H

#include <getopt.h>

#include "command.h"
#include "trace.h"
#include "trace_filter.h"

/* Values of a verb's own options begin here. */
#define UVH_VERB_OPTION (UVH_LONG_OPTION + 16)

#define UVH_VERB_OPTIONS_MAX 8

struct uvh_question {
	/* The verb says: */
	const char *verb;
	const char *help_head; /* up to and with the verb's own options */
	const char *help_tail; /* from EXIT STATUS or what comes before it on */
	/* Its own options, closed by a NULL name; NULL: none. Values from UVH_VERB_OPTION on. */
	const struct option *options;
	/* Takes one of them. UVH_OK, or UVH_USAGE when it has said what is wrong. */
	int (*read_option)(struct uvh_question *question, int option, const char *value);
	/* Takes the words behind DIR. UVH_OK, or UVH_USAGE when it has said what is wrong. NULL:
	   there are to be none. */
	int (*read_words)(struct uvh_question *question, int count, char **words);
	/* The trace is open; NULL: there is nothing to prepare. */
	void (*begin)(struct uvh_question *question);
	/* Each event, unfiltered, in order. */
	void (*event)(struct uvh_question *question, const struct uvh_trace_event *event);
	/* Prints the answer: UVH_OK, or UVH_FAILED where the answer is no. */
	int (*tell)(struct uvh_question *question);
	bool tells_losses; /* it says itself how many events were lost */
	void *data;        /* the verb's */

	/* What it is given: */
	struct uvh_trace *trace;
	struct uvh_trace_filter *filter;
	bool json;
	bool verbose;   /* -v: all of it */
	size_t damaged; /* parts of the trace that could not be read; known to `tell` */
};

/*
 * Reads the options (--json, -v, --color, --help, those of the filter, the verb's own), the trace
 * and its events, says what was lost, and lets the verb tell. Returns what the verb is to end with:
 * UVH_FAILED, too, where parts of the trace could not be read.
 */
int uvh_question_answer(struct uvh_question *question, int argc, char **argv);

/*
 * The same for a trace in `path` with default options, for who has recorded it a moment ago.
 */
int uvh_question_answer_about(struct uvh_question *question, const char *path, bool json,
			      bool verbose);

/* A number of an option's value, from `least` to `most`. UVH_OK, or UVH_USAGE when it has said. */
int uvh_read_number(const char *verb, const char *option, const char *text, uint64_t least,
		    uint64_t most, uint64_t *number);

/* A duration: "20ms", "1.5" (seconds), "300us". UVH_OK, or UVH_USAGE when it has said. */
int uvh_read_duration(const char *verb, const char *option, const char *text, int64_t *ns);

#endif
