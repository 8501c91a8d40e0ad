/* SPDX-License-Identifier: MIT */
/* Connections and datagrams: who there is, and what is known of which handle. */
#ifndef CONTEXT_CONNECTION_H
#define CONTEXT_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uvhooks/types.h>

/* What people read and filter by: c1, c2, ... for connections, d1, d2, ... for datagrams. */
struct context_tag {
	char kind; /* one of the following, or 0: there is none */
	uint64_t number;
};

#define CONTEXT_CONNECTION 'c'
#define CONTEXT_DATAGRAM   'd'
#define CONTEXT_SEVERAL    '?' /* which has no number */

/* Room for a kind, 2^64 - 1 and a NUL. */
#define CONTEXT_TAG_BYTES 24

/* Returns a text in `buffer`; empty if there is no tag. */
const char *context_tag_text(struct context_tag tag, char buffer[CONTEXT_TAG_BYTES]);

/*
 * A connection, or a datagram that came: what a local storage carries along.
 *
 * Invariant: it is alive while `references` is not 0. The table holds one from accept until the
 * handle is destroyed, each store that was entered one until it is released, and who got it from a
 * function below one until context_drop.
 */
struct context_connection {
	struct context_tag tag;
	atomic_uint references;
	atomic_bool accepted; /* it has its handle */
};

/* Stands for connections that cannot be told apart. Lives for ever. */
extern struct context_connection context_several;

/* A new one with a new tag; NULL if memory is short. */
struct context_connection *context_connection_new(char kind);

/* Takes one more reference, for somebody else to drop. */
void context_hold(struct context_connection *connection);

/* Takes it as void *, since it is the storage's release function. */
void context_drop(void *connection);

/* Ties it to the handle that was accepted. False if it has one already, or memory is short. */
bool context_tie(struct context_connection *connection, uvhooks_async_id handle);

/* The connection whose handle it is; NULL if it is none's. */
struct context_connection *context_find(uvhooks_async_id handle);

/* Keeps a number with a handle that is none's, and finds it; 0 if there is none. */
void context_note(uvhooks_async_id handle, uint64_t number);
uint64_t context_noted(uvhooks_async_id handle);

/* Nothing is known of the handle from now on. */
void context_forget(uvhooks_async_id handle);

/* How many tags were given away, and how many of them nothing refers to any more. */
void context_count(uint64_t *made, uint64_t *released);

/* Gets ready for forks. Called once. 0 or an errno. */
int context_connection_start(void);

#endif
