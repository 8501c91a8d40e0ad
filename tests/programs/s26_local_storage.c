/* SPDX-License-Identifier: MIT */
/*
 * Rule S26, within one synchronous scope: what a storage's store is. All of it is the same without
 * the shim.
 */
#include "stores.h"

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage second = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct store a = {"a", 0};
static struct store b = {"b", 0};
static struct store c = {"c", 0};

static void *show(void *where)
{
	printf("%s: %s\n", (const char *) where,
	       name_of(uvhooks_local_storage_get_store(&storage)));
	return where;
}

static void show_both(const char *where)
{
	printf("%s: %s and %s\n", where, name_of(uvhooks_local_storage_get_store(&storage)),
	       name_of(uvhooks_local_storage_get_store(&second)));
}

static void show_releases(void)
{
	printf("released: a %d, b %d, c %d\n", times_released(&a), times_released(&b),
	       times_released(&c));
	a.released = b.released = c.released = 0;
}

static void *run(struct store *store, void *(*function)(void *argument), const char *argument)
{
	return uvhooks_local_storage_run(&storage, store, function, (void *) argument);
}

/* The function gets its argument, and the caller what it returns. */
static void *half(void *number)
{
	int *value = number;

	*value /= 2;
	return value;
}

static void args(uv_loop_t *loop)
{
	int number = 84;
	int *result;

	(void) loop;
	result = uvhooks_local_storage_run(&storage, &a, half, &number);
	CHECK(result == &number);
	printf("half of it: %d\n", *result);
	result = uvhooks_local_storage_exit(&storage, half, &number);
	CHECK(result == &number);
	printf("half of it: %d\n", *result);
	CHECK(uvhooks_local_storage_run(&storage, &a, half, &number) == &number);
	show_releases();
}

/* run nests and puts back what was, and so does exit. */
static void *in_b(void *where)
{
	show(where);
	uvhooks_local_storage_exit(&storage, show, "out of b");
	run(&c, show, "in c");
	return show("in b again");
}

static void *in_a(void *where)
{
	show(where);
	run(&b, in_b, "in b");
	show("in a again");
	run(NULL, show, "in a run with no store");
	return show("still in a");
}

static void nested(uv_loop_t *loop)
{
	(void) loop;
	show("before");
	run(&a, in_a, "in a");
	show("afterwards");
	show_releases();
}

/* The current store again: nothing is entered, and so nothing released. */
static void *same_again(void *where)
{
	run(&a, show, where);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &a));
	show_releases();
	return NULL;
}

static void same_value(uv_loop_t *loop)
{
	(void) loop;
	run(&a, same_again, "in a, twice");
	show_releases();
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, NULL));
	run(NULL, show, "nothing, again");
	show_releases();
}

/* Another run of the same store is another entry, with a release of its own. */
static void *and_back(void *where)
{
	run(&a, show, "the outer one's store");
	return show(where);
}

static void *over_b(void *where)
{
	return run(&b, and_back, where);
}

static void entered_twice(uv_loop_t *loop)
{
	(void) loop;
	run(&a, over_b, "between");
	show_releases();
	run(&a, show, "once more");
	show_releases();
}

/* enter_with holds until the scope ends: that of a run, an exit, or a resource. */
static void *enter_b(void *where)
{
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &b));
	return show(where);
}

static void *enter_in_run(void *where)
{
	enter_b(where);
	run(&c, show, "a run in it");
	return show("after the run in it");
}

static void *enter_in_exit(void *where)
{
	uvhooks_local_storage_exit(&storage, enter_b, where);
	return show("after the exit");
}

/* The run that entered nothing is no scope, as in Node. */
static void *enter_in_same(void *where)
{
	run(&a, enter_b, where);
	return show("after the same run");
}

/* But any run is one for all storages. */
static void *enter_in_other(void *where)
{
	uvhooks_local_storage_run(&second, &c, enter_b, where);
	return show("after the other's run");
}

static void enter_with(uv_loop_t *loop)
{
	struct uvhooks_async_resource resource;

	(void) loop;
	run(&a, enter_in_run, "entered in a run");
	show("after the run");
	show_releases();

	run(&a, enter_in_exit, "entered in an exit");
	show("after the run");
	show_releases();

	run(&a, enter_in_same, "entered in the same run");
	show("after the run");
	show_releases();

	run(&a, enter_in_other, "entered in another's run");
	show("after the run");
	show_releases();

	CHECK_OK(uvhooks_async_resource_create(&resource, "Job", NULL));
	uvhooks_async_resource_run_in_async_scope(&resource, enter_b, "entered in a job");
	show("after the job");
	uvhooks_async_resource_run_in_async_scope(&resource, show, "the job again");
	CHECK_OK(uvhooks_async_resource_emit_destroy(&resource));
	show_releases();

	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &a));
	show("entered at top level");
	run(&b, show, "a run there");
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	show("another one");
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, NULL));
	show("left by hand");
	show_releases();
}

/* disable ends it for all scopes; run and enter_with begin anew. */
static void *disabled_in_run(void *where)
{
	uvhooks_local_storage_disable(&storage);
	show(where);
	uvhooks_local_storage_exit(&storage, show, "an exit after it");
	show("and after that");
	run(&b, show, "a run after it");
	show("after that run");
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	return show("entered after it");
}

static void *in_b_disabled(void *where)
{
	run(&b, disabled_in_run, where);
	return show("the scope around");
}

static void disable(uv_loop_t *loop)
{
	(void) loop;
	run(&a, in_b_disabled, "disabled");
	show("outside");
	show_releases();
	uvhooks_local_storage_disable(&storage);
	uvhooks_local_storage_disable(&storage);
	run(&a, show, "a run after more of them");
	show("and outside");
	show_releases();
}

/* Two storages know nothing of each other. */
static void *in_second(void *where)
{
	show_both(where);
	uvhooks_local_storage_exit(&storage, show, "out of the first");
	show_both("both again");
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &b));
	show_both("the first changed");
	uvhooks_local_storage_disable(&second);
	show_both("the second disabled");
	return NULL;
}

static void *in_first(void *where)
{
	show_both(where);
	uvhooks_local_storage_run(&second, &c, in_second, "in both");
	show_both("in the first again");
	return NULL;
}

static void two_storages(uv_loop_t *loop)
{
	(void) loop;
	run(&a, in_first, "in the first");
	show_both("outside");
	show_releases();
}

/* A store is any pointer, and needs no release function. */
static void *same_pointer(void *expected)
{
	static struct uvhooks_local_storage plain = UVHOOKS_LOCAL_STORAGE(NULL, 0);

	if (expected != NULL && uvhooks_local_storage_get_store(&plain) != expected)
		return uvhooks_local_storage_run(&plain, expected, same_pointer, expected);
	return uvhooks_local_storage_get_store(&plain);
}

static void misc_stores(uv_loop_t *loop)
{
	int on_the_stack = 0;

	(void) loop;
	CHECK(same_pointer((void *) 1) == (void *) 1);
	CHECK(same_pointer((void *) -1) == (void *) -1);
	CHECK(same_pointer("text") != NULL);
	CHECK(same_pointer(&on_the_stack) == &on_the_stack);
	CHECK(same_pointer(NULL) == NULL);
	puts("any pointer is a store");
}

/* Ten thousand runs, each in the one before. */
#define DEEP 10000

static struct store levels[DEEP];

static void *descend(void *data)
{
	struct store *level = data;

	HAS(&storage, level);
	if (level + 1 < levels + DEEP)
		uvhooks_local_storage_run(&storage, level + 1, descend, level + 1);
	HAS(&storage, level);
	CHECK(times_released(level) == 0);
	return data;
}

static void deep_stack(uv_loop_t *loop)
{
	(void) loop;
	uvhooks_local_storage_run(&storage, levels, descend, levels);
	HAS(&storage, NULL);
	for (int i = 0; i < DEEP; i++)
		CHECK_RESULT(times_released(&levels[i]), 1);
	printf("%d runs, one in the other\n", DEEP);
}

/* A run in an exit in a run, a hundred times: what is left stays left. */
static void *run_and_exit(void *data)
{
	int *left = data;

	if (*left == 0)
		return data;
	HAS(&storage, *left % 2 ? &b : NULL);
	if ((*left)-- % 2)
		return uvhooks_local_storage_exit(&storage, run_and_exit, data);
	return uvhooks_local_storage_run(&storage, &b, run_and_exit, data);
}

static void exit_does_not_leak(uv_loop_t *loop)
{
	int left = 200;

	(void) loop;
	run_and_exit(&left);
	show("after a hundred exits");
	show_releases();
}

static long resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages;

	CHECK(file != NULL);
	CHECK(fscanf(file, "%*s %ld", &pages) == 1);
	CHECK(fclose(file) == 0);
	return pages * sysconf(_SC_PAGESIZE);
}

/*
 * Two storages in turn, each with two stores in turn, as a long-running loop at top level does it:
 * the old stores go at once, and so does the memory for them.
 */
#define TURNS 500000

static void *take_turns(void *data)
{
	static struct store first[2];
	static struct store other[2];
	long before = 0;

	for (int i = 0; i < TURNS; i++) {
		if (i == 1000)
			before = resident_bytes();
		CHECK_OK(uvhooks_local_storage_enter_with(&storage, &first[i % 2]));
		CHECK_OK(uvhooks_local_storage_enter_with(&second, &other[i % 2]));
	}
	CHECK(resident_bytes() - before < 2 * 1024 * 1024);
	HAS(&storage, &first[1]);
	HAS(&second, &other[1]);
	for (int i = 0; i < 2; i++) {
		CHECK_RESULT(times_released(&first[i]), TURNS / 2 - i);
		CHECK_RESULT(times_released(&other[i]), TURNS / 2 - i);
	}
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, NULL));
	CHECK_OK(uvhooks_local_storage_enter_with(&second, NULL));
	for (int i = 0; i < 2; i++) {
		CHECK_RESULT(times_released(&first[i]), TURNS / 2);
		CHECK_RESULT(times_released(&other[i]), TURNS / 2);
		first[i].released = other[i].released = 0;
	}
	return data;
}

static void alternating(uv_loop_t *loop)
{
	(void) loop;
	take_turns(NULL);
	run(&a, take_turns, NULL);
	show_releases();
	puts("nothing has grown");
}

/* Neither a run nor an exit is a resource: no id changes in it. */
static void *same_ids(void *data)
{
	uvhooks_async_id *ids = data;

	CHECK(uvhooks_execution_async_id() == ids[0]);
	CHECK(uvhooks_trigger_async_id() == ids[1]);
	return data;
}

static void run_resource(uv_loop_t *loop)
{
	uvhooks_async_id ids[2] = {uvhooks_execution_async_id(), uvhooks_trigger_async_id()};

	(void) loop;
	uvhooks_local_storage_run(&storage, &a, same_ids, ids);
	uvhooks_local_storage_exit(&storage, same_ids, ids);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &a));
	same_ids(ids);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, NULL));
	show_releases();
}

static const struct scene scenes[] = {
    {"args", args},
    {"nested", nested},
    {"same_value", same_value},
    {"entered_twice", entered_twice},
    {"enter_with", enter_with},
    {"disable", disable},
    {"two_storages", two_storages},
    {"misc_stores", misc_stores},
    {"deep_stack", deep_stack},
    {"exit_does_not_leak", exit_does_not_leak},
    {"alternating", alternating},
    {"run_resource", run_resource},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
