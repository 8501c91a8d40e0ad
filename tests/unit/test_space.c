/* SPDX-License-Identifier: MIT */
/* Id spaces: which loop gets which, what a thread's top level shares, and what happens when they
 * run out. The loops are only addresses here: nobody looks into one. */
#include <pthread.h>
#include <stdlib.h>

#include "check.h"
#include "context.h"

static uvhooks_async_id make_id(struct uvh_space *space)
{
	struct uvh_context *context = uvh_context();
	struct uvh_record *record = uvh_space_take(space, context);
	uvhooks_async_id id = uvh_space_next_id(space);

	record->id = id;
	uvh_end(context, record, 0);
	return id;
}

static void check_first_loop(uv_loop_t *loops)
{
	struct uvh_context *context = uvh_context();
	struct uvh_space *space;

	CHECK_EQUAL(uvh_execution_id(context), 1);
	uvh_loop_begin(context, &loops[0], true); /* never used: takes no space */
	uvh_loop_begin(context, &loops[1], true);
	uvh_loop_begin(context, &loops[2], false);
	space = uvh_space_of_loop(context, &loops[1]);
	CHECK_EQUAL(space->number, 0);
	CHECK_EQUAL(make_id(space), 2);
	CHECK(uvh_space_of_loop(context, &loops[2]) == NULL);
	CHECK_EQUAL(uvh_space_of_loop(context, &loops[0])->number, 1);
	CHECK(uvh_space_of_loop(context, &loops[1]) == space);
	/* A loop that was never announced is traced all the same. */
	CHECK_EQUAL(uvh_space_of_loop(context, &loops[3])->number, 2);
	/* Made anew at a known address: another loop. */
	uvh_loop_begin(context, &loops[3], true);
	CHECK_EQUAL(uvh_space_of_loop(context, &loops[3])->number, 3);
	for (int i = 0; i < 4; i++)
		uvh_loop_end(context, &loops[i]);
	CHECK_EQUAL(uvh_execution_id(context), 1);
}

/* What a loop's thread does when another takes the loop over. */
static void *take_over(void *loop)
{
	struct uvh_context *context = uvh_context();

	return (void *) (uintptr_t) make_id(uvh_space_of_loop(context, loop));
}

static void check_migration(uv_loop_t *loop)
{
	struct uvh_context *context = uvh_context();
	struct uvh_space *space = uvh_space_of_loop(context, loop);
	pthread_t thread;
	void *id;

	context->home = space;
	pthread_create(&thread, NULL, take_over, loop);
	pthread_join(thread, &id);
	CHECK_EQUAL(uvhooks_id_space((uintptr_t) id), space->number);
	/* This thread's top level may not draw from that space any longer. */
	CHECK(uvh_home(context) != space);
	uvh_loop_end(context, loop);
}

/* More loops than numbers: spaces are used again, and no id comes twice. */
static void check_exhaustion(uv_loop_t *loops)
{
	struct uvh_context *context = uvh_context();
	uint64_t *last = calloc(UVH_SPACE_MAX, sizeof(*last));

	for (int i = 0; i < UVH_SPACE_MAX * 2; i++) {
		struct uvh_space *space;
		uvhooks_async_id id;

		uvh_loop_begin(context, loops, true);
		space = uvh_space_of_loop(context, loops);
		if (space == NULL) {
			CHECK(!"no space was left");
			break;
		}
		id = make_id(space);
		CHECK(id > last[space->number]);
		last[space->number] = id;
		uvh_loop_end(context, loops);
	}
	CHECK_EQUAL(uvh_counted(UVH_COUNT_spaces_exhausted), 0);
	free(last);
}

static void check_many_loops(void)
{
	enum { COUNT = 3000 };
	struct uvh_context *context = uvh_context();
	uv_loop_t *loops = calloc(COUNT, sizeof(*loops));
	struct uvh_space **spaces = calloc(COUNT, sizeof(struct uvh_space *));

	for (int i = 0; i < COUNT; i++)
		spaces[i] = uvh_space_of_loop(context, &loops[i]);
	for (int i = 0; i < COUNT; i++)
		CHECK(spaces[i] != NULL && uvh_space_of_loop(context, &loops[i]) == spaces[i]);
	for (int i = 0; i < COUNT; i += 2)
		uvh_loop_end(context, &loops[i]);
	for (int i = 1; i < COUNT; i += 2)
		CHECK(uvh_space_of_loop(context, &loops[i]) == spaces[i]);
	for (int i = 1; i < COUNT; i += 2)
		uvh_loop_end(context, &loops[i]);
	free(spaces);
	free(loops);
}

int main(void)
{
	static uv_loop_t loops[8];

	uvh_context_init();
	CHECK(uvh_spaces_init(uvh_context()));
	check_first_loop(loops);
	check_migration(&loops[4]);
	check_many_loops();
	check_exhaustion(&loops[5]);
	CHECK_DONE();
}
