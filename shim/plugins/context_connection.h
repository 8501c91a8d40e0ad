/* SPDX-License-Identifier: MIT */
/* Connections and datagrams: who there is, and which handle is whose. */
#ifndef CONTEXT_CONNECTION_H
#define CONTEXT_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uvhooks/types.h>

/* What people read and filter by: c1, c2, ... for connections, d1, d2, ... for datagrams. */
struct context_tag {
	char kind; /* CONTEXT_CONNECTION, CONTEXT_DATAGRAM, or 0: there is none */
	uint64_t number;
};

#define CONTEXT_CONNECTION 'c'
#define CONTEXT_DATAGRAM   'd'

/* Room for a kind, 2^64 - 1 and a NUL. */
#define CONTEXT_TAG_BYTES 24

/* Returns `text`; empty if there is no tag. */
const char *context_tag_text(struct context_tag tag, char text[CONTEXT_TAG_BYTES]);

/*
 * A connection, or a datagram that came: what a local storage carries along.
 *
 * Invariant: it is alive while `references` is not 0. The table below holds one from accept until
 * the handle is destroyed, each store that was entered one until it is released, and who got it
 * from a function below one until context_drop.
 */
struct context_connection {
	struct context_tag tag;
	_Atomic(uvhooks_async_id) handle; /* the accepted handle; 0 before that */
	struct context_connection *next;  /* in the table */
	atomic_uint references;
};

/* A new one with a new tag; NULL if memory is short. */
struct context_connection *context_connection_new(char kind);

/* Takes one more reference, for somebody else to drop. */
void context_hold(struct context_connection *connection);

/* Takes it as void *, since it is the storage's release function. */
void context_drop(void *connection);

/* Ties it to the handle that was accepted. False if it has one already. */
bool context_tie(struct context_connection *connection, uvhooks_async_id handle);

/* The connection whose handle it is; NULL if it is none's. */
struct context_connection *context_find(uvhooks_async_id handle);

/* The handle is no connection any more. */
void context_untie(uvhooks_async_id handle);

/* How many tags were given away, and how many of them nothing refers to any more. */
void context_count(uint64_t *made, uint64_t *released);

/* Gets ready for forks. Called once. 0 or an errno. */
int context_connection_start(void);

#endif
