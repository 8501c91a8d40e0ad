/* SPDX-License-Identifier: MIT */
/* Scopes nest as deep as the stack allows. */
#include "embedder.h"

#include <pthread.h>

#define RESOURCES 50
static resource_t resources[RESOURCES];
static unsigned int depth;
static unsigned int deepest;

static void *descend(void *argument)
{
	resource_t *own = argument;

	CHECK(ids_are_of(own));
	if (++depth < deepest) {
		resource_t *next = &resources[depth % RESOURCES];

		CHECK(run_in(next, descend, next) == next);
		CHECK(ids_are_of(own));
	}
	return own;
}

/* On a stack of half a gigabyte, of which only what is touched is memory. */
static void *descend_from_top(void *argument)
{
	for (unsigned int i = 0; i < RESOURCES; i++)
		make(&resources[i], "Job");
	depth = 0;
	CHECK(run_in(&resources[0], descend, &resources[0]) == &resources[0]);
	CHECK(at_top_level());
	for (unsigned int i = 0; i < RESOURCES; i++)
		end(&resources[i]);
	return argument;
}

static void nest(unsigned int scopes)
{
	pthread_attr_t attributes;
	pthread_t thread;

	deepest = scopes;
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, 512 << 20) == 0);
	CHECK(pthread_create(&thread, &attributes, descend_from_top, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(pthread_attr_destroy(&attributes) == 0);
	printf("%u scopes deep\n", depth);
}

static void thousand(uv_loop_t *loop)
{
	(void) loop;
	nest(1000);
}

/* The thread sanitizer keeps the calls of a thread in a place of a fixed size. */
#if defined(__SANITIZE_THREAD__)
#define MANY 10000
#else
#define MANY 100000
#endif

static void hundred_thousand(uv_loop_t *loop)
{
	(void) loop;
	nest(MANY);
}

static const struct scene scenes[] = {
    {"thousand", thousand},
    {"hundred_thousand", hundred_thousand},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
