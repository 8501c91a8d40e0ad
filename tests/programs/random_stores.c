/* SPDX-License-Identifier: MIT */
/*
 * Does random things with local storages, and holds what they say against a model:
 *
 *	random_stores [SEED [OPERATIONS]]
 *
 * The model has, for each scope and for each thing that carries stores, a copy of what every
 * storage holds there; so it copies where the shim shares, and knows nothing of how that is
 * done. Asked is, in every scope, on pool threads too: is the store the one of the model? When
 * one is released: is it seen from nowhere any more? At the end: was every store that was
 * entered released, once?
 *
 * Without the shim nothing is carried into callbacks, and nothing is asked.
 */
#include <uvhooks/local_storage.h>

#include "program.h"

#define STORAGES  3 /* the first follows wake-ups, and is never disabled */
#define TIMERS    8
#define RESOURCES 8
#define WORKS     4
#define DEPTH_MAX 12

/* A store: entered in one storage, released once. */
struct cell {
	struct cell *next; /* all of them */
	int storage;
	unsigned int generation; /* how often the storage had been disabled */
	int released;
};

/* What the storages hold at some place. All maps that something can still be seen from are linked.
 */
struct map {
	struct cell *at[STORAGES];
	struct map *next;
	struct map **link;
};

enum state { FREE, LIVE, CLOSING };

struct timer {
	uv_timer_t handle;
	enum state state;
	struct map carried;
};

struct resource {
	struct uvhooks_async_resource resource;
	enum state state;
	struct map carried;
};

struct work {
	uv_work_t request;
	enum state state;
	struct map carried;
};

static void release(void *store);

static struct uvhooks_local_storage storages[STORAGES] = {
    UVHOOKS_LOCAL_STORAGE(release, UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS),
    UVHOOKS_LOCAL_STORAGE(release, 0),
    UVHOOKS_LOCAL_STORAGE(release, 0),
};
static unsigned int generations[STORAGES];

static uv_loop_t *loop;
static struct timer timers[TIMERS];
static struct resource resources[RESOURCES];
static struct work works[WORKS];
static uv_async_t wakeup;
static struct map carried_by_wakeup, sent;
static bool is_sent;

static struct map *maps; /* those that something is seen from */
static struct map *now;  /* of the current scope */
static struct cell *cells;
static uint64_t chance;
static int left, depth;
static unsigned long asked;

static unsigned int pick(unsigned int bound)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned int) (chance >> 33) % bound;
}

static void link_map(struct map *map)
{
	map->next = maps;
	map->link = &maps;
	if (maps != NULL)
		maps->link = &map->next;
	maps = map;
}

static void unlink_map(struct map *map)
{
	*map->link = map->next;
	if (map->next != NULL)
		map->next->link = map->link;
}

static void begin_map(struct map *map, const struct map *from)
{
	memcpy(map->at, from->at, sizeof map->at);
	link_map(map);
}

static void set_map(struct map *map, const struct map *from)
{
	memcpy(map->at, from->at, sizeof map->at);
}

static struct cell *seen(const struct map *map, int storage)
{
	struct cell *cell = map->at[storage];

	return cell != NULL && cell->generation == generations[storage] ? cell : NULL;
}

static void ask(void)
{
	if (!uvhooks_present())
		return;
	for (int i = 0; i < STORAGES; i++)
		CHECK(uvhooks_local_storage_get_store(&storages[i]) == seen(now, i));
	asked++;
}

/* On whichever thread: but no other runs meanwhile that changes the maps. */
static void release(void *store)
{
	struct cell *cell = store;

	CHECK(__atomic_add_fetch(&cell->released, 1, __ATOMIC_RELAXED) == 1);
	if (!uvhooks_present())
		return;
	for (const struct map *map = maps; map != NULL; map = map->next)
		CHECK(seen(map, cell->storage) != cell);
}

static struct cell *new_cell(int storage)
{
	struct cell *cell = calloc(1, sizeof *cell);

	CHECK(cell != NULL);
	cell->storage = storage;
	cell->generation = generations[storage];
	cell->next = cells;
	cells = cell;
	return cell;
}

static void act(void);

/* What runs in a scope of any kind: asks, acts, asks again. */
static void *in_scope(void *unused)
{
	(void) unused;
	ask();
	if (++depth < DEPTH_MAX)
		for (unsigned int times = pick(4); times > 0; times--)
			act();
	depth--;
	ask();
	return NULL;
}

struct scope {
	struct map map;
	struct map *outer;
};

static void begin_scope(struct scope *scope, const struct map *from)
{
	scope->outer = now;
	begin_map(&scope->map, from);
	now = &scope->map;
}

/* The model's scope is gone before the real one: what that releases nobody may see. */
static void end_scope(struct scope *scope)
{
	now = scope->outer;
	unlink_map(&scope->map);
}

static void *in_entered_scope(void *data)
{
	struct scope *scope = data;

	in_scope(NULL);
	end_scope(scope);
	return NULL;
}

static struct cell *some_cell(int storage)
{
	switch (pick(6)) {
	case 0:
		return NULL;
	case 1: /* without the shim the model's store is not the current one */
		return uvhooks_present() ? seen(now, storage) : NULL;
	default:
		return new_cell(storage);
	}
}

static void run(void)
{
	int storage = (int) pick(STORAGES);
	struct cell *cell = some_cell(storage);
	struct scope scope;

	if (cell == seen(now, storage)) {
		uvhooks_local_storage_run(&storages[storage], cell, in_scope, NULL);
		return;
	}
	begin_scope(&scope, now);
	scope.map.at[storage] = cell;
	if (cell == NULL)
		uvhooks_local_storage_exit(&storages[storage], in_entered_scope, &scope);
	else
		uvhooks_local_storage_run(&storages[storage], cell, in_entered_scope, &scope);
	ask();
}

static void enter(void)
{
	int storage = (int) pick(STORAGES);
	struct cell *cell = some_cell(storage);

	if (cell != seen(now, storage))
		now->at[storage] = cell;
	CHECK_OK(uvhooks_local_storage_enter_with(&storages[storage], cell));
	ask();
}

static void disable(void)
{
	int storage = 1 + (int) pick(STORAGES - 1);

	if (pick(8) != 0)
		return;
	generations[storage]++;
	now->at[storage] = NULL;
	uvhooks_local_storage_disable(&storages[storage]);
	ask();
}

static void begin_callback(struct scope *scope, const struct map *carried)
{
	begin_scope(scope, carried);
	in_scope(NULL);
	end_scope(scope);
}

static void on_timer(uv_timer_t *handle)
{
	struct timer *timer = (struct timer *) handle;
	struct scope scope;

	begin_callback(&scope, &timer->carried);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct timer *timer = (struct timer *) handle;
	struct scope scope;

	timer->state = FREE;
	begin_scope(&scope, &timer->carried);
	unlink_map(&timer->carried);
	ask();
	end_scope(&scope);
}

static void use_timer(void)
{
	struct timer *timer = &timers[pick(TIMERS)];

	if (timer->state == FREE) {
		timer->state = LIVE;
		begin_map(&timer->carried, now);
		CHECK_OK(uv_timer_init(loop, &timer->handle));
	} else if (timer->state == LIVE && pick(4) != 0) {
		set_map(&timer->carried, now);
		CHECK_OK(uv_timer_start(&timer->handle, on_timer, pick(2), pick(3)));
	} else if (timer->state == LIVE) {
		timer->state = CLOSING;
		uv_close((uv_handle_t *) &timer->handle, on_timer_closed);
	}
}

static void use_resource(void)
{
	struct resource *resource = &resources[pick(RESOURCES)];
	struct scope scope;

	if (resource->state == FREE) {
		resource->state = LIVE;
		begin_map(&resource->carried, now);
		CHECK_OK(uvhooks_async_resource_create(&resource->resource, "Resource", NULL));
	} else if (pick(3) != 0) {
		begin_scope(&scope, &resource->carried);
		uvhooks_async_resource_run_in_async_scope(&resource->resource, in_entered_scope,
							  &scope);
		ask();
	} else {
		resource->state = FREE;
		unlink_map(&resource->carried);
		CHECK_OK(uvhooks_async_resource_emit_destroy(&resource->resource));
	}
}

/* On a pool thread, while the loop's thread waits for it: see use_work. */
static void do_work(uv_work_t *request)
{
	const struct work *work = (const struct work *) request;

	if (!uvhooks_present())
		return;
	for (int i = 0; i < STORAGES; i++)
		CHECK(uvhooks_local_storage_get_store(&storages[i]) == seen(&work->carried, i));
}

static void on_work_done(uv_work_t *request, int status)
{
	struct work *work = (struct work *) request;
	struct scope scope;

	CHECK_OK(status);
	work->state = FREE;
	begin_scope(&scope, &work->carried);
	unlink_map(&work->carried);
	in_scope(NULL);
	end_scope(&scope);
}

static uv_sem_t worked;

static void do_work_and_say_so(uv_work_t *request)
{
	do_work(request);
	uv_sem_post(&worked);
}

/* The pool's thread asks while nothing else happens, so that the model needs no lock. */
static void use_work(void)
{
	struct work *work = &works[pick(WORKS)];

	if (work->state != FREE)
		return;
	work->state = LIVE;
	begin_map(&work->carried, now);
	CHECK_OK(uv_queue_work(loop, &work->request, do_work_and_say_so, on_work_done));
	uv_sem_wait(&worked);
}

static void on_wakeup(uv_async_t *handle)
{
	struct scope scope;

	(void) handle;
	begin_scope(&scope, &carried_by_wakeup);
	if (is_sent) {
		if (sent.at[0] != NULL)
			scope.map.at[0] = sent.at[0];
		is_sent = false;
		unlink_map(&sent);
	}
	in_scope(NULL);
	end_scope(&scope);
}

static void wake(void)
{
	if (is_sent)
		unlink_map(&sent);
	is_sent = now->at[0] != NULL;
	if (is_sent) {
		begin_map(&sent, now);
		/* Of the others nothing can be seen from it. */
		for (int i = 1; i < STORAGES; i++)
			sent.at[i] = NULL;
	}
	CHECK_OK(uv_async_send(&wakeup));
}

static void in_trigger_scope(void)
{
	struct scope scope;

	begin_scope(&scope, now);
	uvhooks_default_trigger_async_id_scope(uvhooks_execution_async_id(), in_entered_scope,
					       &scope);
	ask();
}

static void nest(void)
{
	if (pick(10) == 0)
		uv_run(loop, UV_RUN_NOWAIT);
}

static void act(void)
{
	static void (*const operations[])(void) = {
	    run,
	    run,
	    run,
	    enter,
	    enter,
	    disable,
	    use_timer,
	    use_timer,
	    use_timer,
	    use_resource,
	    use_resource,
	    use_resource,
	    use_resource,
	    use_work,
	    wake,
	    wake,
	    in_trigger_scope,
	    nest,
	};

	if (left <= 0)
		return;
	left--;
	operations[pick(COUNT(operations))]();
}

static void on_wakeup_closed(uv_handle_t *handle)
{
	(void) handle;
	unlink_map(&carried_by_wakeup);
}

/* In a scope of its own, which ends with all that was entered in it. */
static void *play(void *unused)
{
	struct scope scope;

	(void) unused;
	begin_scope(&scope, now);
	begin_map(&carried_by_wakeup, now);
	CHECK_OK(uv_async_init(loop, &wakeup, on_wakeup));
	while (left > 0) {
		act();
		uv_run(loop, UV_RUN_NOWAIT);
	}
	if (is_sent)
		unlink_map(&sent);
	uv_close((uv_handle_t *) &wakeup, on_wakeup_closed);
	for (int i = 0; i < TIMERS; i++)
		if (timers[i].state == LIVE)
			uv_close((uv_handle_t *) &timers[i].handle, on_timer_closed);
	for (int i = 0; i < RESOURCES; i++)
		if (resources[i].state == LIVE) {
			unlink_map(&resources[i].carried);
			CHECK_OK(uvhooks_async_resource_emit_destroy(&resources[i].resource));
		}
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	end_scope(&scope);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	int count = argc > 2 ? atoi(argv[2]) : 2000;
	struct uvhooks_local_storage whole = UVHOOKS_LOCAL_STORAGE(NULL, 0);
	struct map top = {{NULL}, NULL, NULL};

	chance = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	left = count;
	loop = uv_default_loop();
	link_map(&top);
	now = &top;
	CHECK_OK(uv_sem_init(&worked, 0));
	uvhooks_local_storage_run(&whole, &top, play, NULL);
	unlink_map(&top);
	CHECK(maps == NULL);
	CHECK_OK(uv_loop_close(loop));
	if (uvhooks_present())
		for (const struct cell *cell = cells; cell != NULL; cell = cell->next)
			CHECK(cell->released == 1);
	CHECK(!uvhooks_present() || asked > 0);
	while (cells != NULL) {
		struct cell *cell = cells;

		cells = cell->next;
		free(cell);
	}
	printf("seed %llu: %d operations\n", (unsigned long long) seed, count);
	report_counters();
	return 0;
}
