/* SPDX-License-Identifier: MIT */
/*
 * The table of connections, by the id of the handle.
 *
 * Only the ends of a connection change it; each event of a stream asks it. As a loop is used by one
 * thread at a time, few threads ever ask for the same shard, and the lock is held for some loads
 * and stores. A fork takes all locks, so that the child finds each shard whole.
 */
#include "context_connection.h"

#include <pthread.h>
#include <stdlib.h>

/* Powers of two. */
#define SHARDS        64
#define FIRST_BUCKETS 16

struct shard {
	pthread_mutex_t lock;
	size_t count;
	size_t buckets; /* a power of two */
	struct context_connection **heads;
	struct context_connection *first_heads[FIRST_BUCKETS];
};

static struct shard shards[SHARDS];

static _Atomic uint64_t connections, datagrams, released;

const char *context_tag_text(struct context_tag tag, char text[CONTEXT_TAG_BYTES])
{
	char *at = text + CONTEXT_TAG_BYTES - 1;
	uint64_t number = tag.number;

	*at = '\0';
	if (tag.kind == 0)
		return at;
	do {
		*--at = (char) ('0' + number % 10);
		number /= 10;
	} while (number != 0);
	*--at = tag.kind;
	return at;
}

struct context_connection *context_connection_new(char kind)
{
	struct context_connection *made = malloc(sizeof(*made));
	_Atomic uint64_t *counter = kind == CONTEXT_DATAGRAM ? &datagrams : &connections;

	if (made == NULL)
		return NULL;
	made->tag.kind = kind;
	made->tag.number = atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) + 1;
	atomic_init(&made->handle, 0);
	atomic_init(&made->references, 1);
	made->next = NULL;
	return made;
}

void context_hold(struct context_connection *connection)
{
	atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
}

void context_drop(void *connection)
{
	struct context_connection *dropped = connection;

	if (dropped == NULL ||
	    atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel) != 1)
		return;
	atomic_fetch_add_explicit(&released, 1, memory_order_relaxed);
	free(dropped);
}

static uint64_t hash(uvhooks_async_id id)
{
	return id * UINT64_C(0x9e3779b97f4a7c15) >> 32;
}

static struct shard *lock_shard(uvhooks_async_id handle)
{
	struct shard *shard = &shards[hash(handle) % SHARDS];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

static struct context_connection **head_of(const struct shard *shard, uvhooks_async_id handle)
{
	return &shard->heads[hash(handle) / SHARDS & (shard->buckets - 1)];
}

/* The link that leads to the connection of a handle, or to NULL. */
static struct context_connection **link_of(const struct shard *shard, uvhooks_async_id handle)
{
	struct context_connection **link = head_of(shard, handle);

	while (*link != NULL &&
	       atomic_load_explicit(&(*link)->handle, memory_order_relaxed) != handle)
		link = &(*link)->next;
	return link;
}

/* Without memory for that the chains just get longer. */
static void grow(struct shard *shard)
{
	struct shard larger = {.buckets = 2 * shard->buckets};

	larger.heads = calloc(larger.buckets, sizeof(larger.heads[0]));
	if (larger.heads == NULL)
		return;
	for (size_t i = 0; i < shard->buckets; i++) {
		struct context_connection *next, *at = shard->heads[i];

		for (; at != NULL; at = next) {
			struct context_connection **head = head_of(&larger, at->handle);

			next = at->next;
			at->next = *head;
			*head = at;
		}
	}
	if (shard->heads != shard->first_heads)
		free(shard->heads);
	shard->heads = larger.heads;
	shard->buckets = larger.buckets;
}

bool context_tie(struct context_connection *connection, uvhooks_async_id handle)
{
	uvhooks_async_id none = 0;
	struct context_connection **head;
	struct shard *shard;

	if (!atomic_compare_exchange_strong(&connection->handle, &none, handle))
		return false;
	context_hold(connection);
	shard = lock_shard(handle);
	if (shard->count == shard->buckets)
		grow(shard);
	head = head_of(shard, handle);
	connection->next = *head;
	*head = connection;
	shard->count++;
	pthread_mutex_unlock(&shard->lock);
	return true;
}

struct context_connection *context_find(uvhooks_async_id handle)
{
	struct shard *shard = lock_shard(handle);
	struct context_connection *found = *link_of(shard, handle);

	if (found != NULL)
		context_hold(found);
	pthread_mutex_unlock(&shard->lock);
	return found;
}

void context_untie(uvhooks_async_id handle)
{
	struct shard *shard = lock_shard(handle);
	struct context_connection **link = link_of(shard, handle);
	struct context_connection *found = *link;

	if (found != NULL) {
		*link = found->next;
		shard->count--;
	}
	pthread_mutex_unlock(&shard->lock);
	context_drop(found);
}

void context_count(uint64_t *made, uint64_t *gone)
{
	*made = atomic_load(&connections) + atomic_load(&datagrams);
	*gone = atomic_load(&released);
}

static void lock_all(void)
{
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_lock(&shards[i].lock);
}

static void unlock_all(void)
{
	for (size_t i = SHARDS; i-- > 0;)
		pthread_mutex_unlock(&shards[i].lock);
}

int context_connection_start(void)
{
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&shards[i].lock, NULL);
		shards[i].buckets = FIRST_BUCKETS;
		shards[i].heads = shards[i].first_heads;
	}
	return pthread_atfork(lock_all, unlock_all, unlock_all);
}
