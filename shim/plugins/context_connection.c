/* SPDX-License-Identifier: MIT */
/*
 * The table of what is known of handles, by their ids.
 *
 * Only the ends of a connection change it; each event of a stream asks it. As a loop is used by one
 * thread at a time, few threads ever ask for the same shard, and the lock is held for some loads
 * and stores. A fork takes all locks, so that the child finds each shard whole.
 */
#include "context_connection.h"

#include <pthread.h>
#include <stdlib.h>

/* Powers of two. */
#define SHARDS        16
#define FIRST_BUCKETS 16

/* One handle: whose it is, or a number that was noted. */
struct entry {
	struct entry *next;
	uvhooks_async_id handle;
	struct context_connection *connection;
	uint64_t number;
};

struct shard {
	pthread_mutex_t lock;
	size_t count;
	size_t buckets; /* a power of two */
	struct entry **heads;
	struct entry *first_heads[FIRST_BUCKETS];
};

static struct shard shards[SHARDS];

static _Atomic uint64_t connections, datagrams, released;

struct context_connection context_several = {{CONTEXT_SEVERAL, 0}, 1, true};

const char *context_tag_text(struct context_tag tag, char buffer[CONTEXT_TAG_BYTES])
{
	char *at = buffer + CONTEXT_TAG_BYTES - 1;

	*at = '\0';
	for (uint64_t number = tag.number; number != 0; number /= 10)
		*--at = (char) ('0' + number % 10);
	if (tag.kind != 0)
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
	atomic_init(&made->references, 1);
	atomic_init(&made->accepted, false);
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

static struct entry **head_of(const struct shard *shard, uvhooks_async_id handle)
{
	return &shard->heads[hash(handle) / SHARDS & (shard->buckets - 1)];
}

/* The link that leads to the entry of a handle, or to NULL. */
static struct entry **link_of(const struct shard *shard, uvhooks_async_id handle)
{
	struct entry **link = head_of(shard, handle);

	while (*link != NULL && (*link)->handle != handle)
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
		struct entry *next, *at = shard->heads[i];

		for (; at != NULL; at = next) {
			struct entry **head = head_of(&larger, at->handle);

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

/* The entry of a handle, made if there is none; NULL if memory is short. */
static struct entry *entry_of(struct shard *shard, uvhooks_async_id handle)
{
	struct entry *entry = *link_of(shard, handle);
	struct entry **head;

	if (entry != NULL)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	if (shard->count++ == shard->buckets)
		grow(shard);
	head = head_of(shard, handle);
	entry->handle = handle;
	entry->next = *head;
	*head = entry;
	return entry;
}

bool context_tie(struct context_connection *connection, uvhooks_async_id handle)
{
	struct context_connection *old = NULL;
	struct shard *shard;
	struct entry *entry;

	if (atomic_exchange(&connection->accepted, true))
		return false;
	shard = lock_shard(handle);
	entry = entry_of(shard, handle);
	if (entry != NULL) {
		context_hold(connection);
		old = entry->connection;
		entry->connection = connection;
	}
	pthread_mutex_unlock(&shard->lock);
	context_drop(old);
	return entry != NULL;
}

struct context_connection *context_find(uvhooks_async_id handle)
{
	struct shard *shard = lock_shard(handle);
	const struct entry *entry = *link_of(shard, handle);
	struct context_connection *found = entry == NULL ? NULL : entry->connection;

	if (found != NULL)
		context_hold(found);
	pthread_mutex_unlock(&shard->lock);
	return found;
}

void context_note(uvhooks_async_id handle, uint64_t number)
{
	struct shard *shard = lock_shard(handle);
	struct entry *entry = entry_of(shard, handle);

	if (entry != NULL)
		entry->number = number;
	pthread_mutex_unlock(&shard->lock);
}

uint64_t context_noted(uvhooks_async_id handle)
{
	struct shard *shard = lock_shard(handle);
	const struct entry *entry = *link_of(shard, handle);
	uint64_t number = entry == NULL ? 0 : entry->number;

	pthread_mutex_unlock(&shard->lock);
	return number;
}

void context_forget(uvhooks_async_id handle)
{
	struct shard *shard = lock_shard(handle);
	struct entry **link = link_of(shard, handle);
	struct entry *entry = *link;

	if (entry != NULL) {
		*link = entry->next;
		shard->count--;
	}
	pthread_mutex_unlock(&shard->lock);
	if (entry != NULL)
		context_drop(entry->connection);
	free(entry);
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
