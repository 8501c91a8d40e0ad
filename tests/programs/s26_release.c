/* SPDX-License-Identifier: MIT */
/*
 * Rule S26: a store is released once for each time that it was entered, when the last that holds it
 * ends, and never before; on whichever thread that is.
 */
#include "stores.h"

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage second = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct store a = {"a", 0};
static struct store b = {"b", 0};
static struct store c = {"c", 0};

static uv_timer_t timer;
static uv_timer_t other;

static void *run(struct store *store, void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(&storage, store, function, argument);
}

static void begin(void)
{
	a.released = b.released = c.released = 0;
}

/* In both ways; the scene is over. */
static void in_the_end(int of_a, int of_b, int of_c)
{
	if (uvhooks_present()) {
		CHECK_RESULT(times_released(&a), of_a);
		CHECK_RESULT(times_released(&b), of_b);
		CHECK_RESULT(times_released(&c), of_c);
	}
	SEES(&storage, NULL);
	SEES(&second, NULL);
}

static void on_timer(uv_timer_t *handle)
{
	(void) handle;
}

static void *start_timer(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	return loop;
}

static void *start_again(void *loop)
{
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	return loop;
}

static void close_timer(uv_loop_t *loop, uv_timer_t *handle)
{
	uv_close((uv_handle_t *) handle, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

/* A handle holds what it captured until it is gone. */
static void handle_ends(uv_loop_t *loop)
{
	begin();
	run(&a, start_timer, loop);
	RELEASED(&a, 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	RELEASED(&a, 0);
	uv_close((uv_handle_t *) &timer, NULL);
	RELEASED(&a, 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	RELEASED(&a, 1);
	in_the_end(1, 0, 0);
}

/* With the next start it lets go of it. */
static void started_again(uv_loop_t *loop)
{
	begin();
	run(&a, start_timer, loop);
	run(&b, start_again, loop);
	RELEASED(&a, 1);
	RELEASED(&b, 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	RELEASED(&b, 1);
	close_timer(loop, &timer);
	in_the_end(1, 1, 0);
}

/* In its own callback: what the callback began with is there until the callback ends. */
static void on_restarting(uv_timer_t *handle)
{
	SEES(&storage, &a);
	run(&b, start_again, handle->loop);
	RELEASED(&a, 0);
	SEES(&storage, &a);
}

static void *start_restarting(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_restarting, 1, 0));
	return loop;
}

static void restarted_inside(uv_loop_t *loop)
{
	begin();
	run(&a, start_restarting, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	RELEASED(&a, 1);
	RELEASED(&b, 0);
	close_timer(loop, &timer);
	in_the_end(1, 1, 0);
}

/* The handle is closed and its memory gone, and the callback still runs. */
static void on_free(uv_handle_t *handle)
{
	SEES(&storage, &a);
	free(handle);
}

static void on_closing(uv_timer_t *handle)
{
	uv_loop_t *loop = handle->loop;

	uv_close((uv_handle_t *) handle, on_free);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	SEES(&storage, &a);
	RELEASED(&a, 0);
}

static void *start_closing(void *loop)
{
	uv_timer_t *handle = malloc(sizeof *handle);

	CHECK(handle != NULL);
	CHECK_OK(uv_timer_init(loop, handle));
	CHECK_OK(uv_timer_start(handle, on_closing, 1, 0));
	return loop;
}

static void closed_inside(uv_loop_t *loop)
{
	begin();
	run(&a, start_closing, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	in_the_end(1, 0, 0);
}

/* A request, and one that fails to be made. */
static uv_fs_t request;

static void on_stat(uv_fs_t *done)
{
	SEES(&storage, &a);
	RELEASED(&a, 0);
	uv_fs_req_cleanup(done);
}

static void *ask(void *loop)
{
	uv_write_t write;
	uv_pipe_t closed;
	uv_buf_t nothing = uv_buf_init(NULL, 0);

	CHECK_OK(uv_pipe_init(loop, &closed, 0));
	CHECK_RESULT(uv_write(&write, (uv_stream_t *) &closed, &nothing, 1, NULL), UV_EBADF);
	uv_close((uv_handle_t *) &closed, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_fs_stat(loop, &request, ".", on_stat));
	return loop;
}

static void request_ends(uv_loop_t *loop)
{
	begin();
	run(&a, ask, loop);
	RELEASED(&a, 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	in_the_end(1, 0, 0);
}

/* Several hold one store: the last of them counts. */
static void *start_other(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &other));
	CHECK_OK(uv_timer_start(&other, on_timer, 1, 0));
	return loop;
}

static void *start_two(void *loop)
{
	start_other(loop);
	return start_timer(loop);
}

static void two_hold(uv_loop_t *loop)
{
	begin();
	run(&a, start_two, loop);
	close_timer(loop, &timer);
	RELEASED(&a, 0);
	close_timer(loop, &other);
	in_the_end(1, 0, 0);
}

/* Two storages: what one resource holds of both goes with it, and not before. */
static void *start_in_second(void *loop)
{
	uvhooks_local_storage_run(&second, &b, start_two, loop);
	RELEASED(&b, 0);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	RELEASED(&a, 0);
	CHECK_OK(uv_timer_start(&other, on_timer, 1, 0));
	return loop;
}

static void two_storages(uv_loop_t *loop)
{
	begin();
	run(&a, start_in_second, loop);
	RELEASED(&c, 0);
	close_timer(loop, &other);
	RELEASED(&a, 0);
	RELEASED(&b, 0);
	RELEASED(&c, 1);
	close_timer(loop, &timer);
	in_the_end(1, 1, 1);
}

/* The one behind is changed: the one before it goes on, and is released once. */
static void *change_behind(void *loop)
{
	start_timer(loop);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	HAS(&second, &b);
	return start_other(loop);
}

static void *run_second(void *loop)
{
	return uvhooks_local_storage_run(&second, &b, change_behind, loop);
}

static void changed_behind(uv_loop_t *loop)
{
	begin();
	run(&a, run_second, loop);
	close_timer(loop, &timer);
	RELEASED(&a, 1);
	RELEASED(&b, 0);
	RELEASED(&c, 0);
	close_timer(loop, &other);
	in_the_end(1, 1, 1);
}

/* A disabled storage's stores are seen by nobody, and held as long as before. */
static void disabled(uv_loop_t *loop)
{
	begin();
	run(&a, start_timer, loop);
	uvhooks_local_storage_disable(&storage);
	RELEASED(&a, 0);
	run(&b, start_other, loop);
	uvhooks_local_storage_disable(&storage);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	close_timer(loop, &timer);
	RELEASED(&a, 1);
	RELEASED(&b, 0);
	close_timer(loop, &other);
	in_the_end(1, 1, 0);
}

/* The storage is gone, and its memory used for something else; the stores are not. */
static void *start_on_heap(void *loop)
{
	return start_timer(loop);
}

static void storage_goes(uv_loop_t *loop)
{
	struct uvhooks_local_storage *gone = malloc(sizeof *gone);
	const struct uvhooks_local_storage fresh = UVHOOKS_LOCAL_STORAGE(release_store, 0);

	CHECK(gone != NULL);
	begin();
	*gone = fresh;
	uvhooks_local_storage_run(gone, &a, start_on_heap, loop);
	memset(gone, 0xA5, sizeof *gone);
	free(gone);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	RELEASED(&a, 0);
	close_timer(loop, &timer);
	in_the_end(1, 0, 0);
}

/* Another storage where one has been: it begins with nothing, whatever resources still hold. */
static struct uvhooks_local_storage reused = UVHOOKS_LOCAL_STORAGE(release_store, 0);

static void on_reused(uv_timer_t *handle)
{
	(void) handle;
	SEES(&reused, NULL);
}

static void *start_reused(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_reused, 1, 0));
	return loop;
}

static void storage_again(uv_loop_t *loop)
{
	const struct uvhooks_local_storage fresh = UVHOOKS_LOCAL_STORAGE(release_store, 0);

	begin();
	uvhooks_local_storage_run(&reused, &a, start_reused, loop);
	reused = fresh;
	uvhooks_local_storage_run(&reused, &b, start_other, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	close_timer(loop, &timer);
	RELEASED(&a, 1);
	RELEASED(&b, 0);
	close_timer(loop, &other);
	in_the_end(1, 1, 0);
}

/* A release function may do what any code may: enter, make, close, release. */
static uv_loop_t *busy_loop;

static void *keep(void *snapshot)
{
	uvhooks_local_storage_snapshot(snapshot);
	return snapshot;
}

static void on_busy_closed(uv_handle_t *handle)
{
	free(handle);
}

static void release_busily(void *store)
{
	uv_timer_t *handle = malloc(sizeof *handle);
	struct uvhooks_snapshot kept;

	CHECK(handle != NULL);
	CHECK_OK(uv_timer_init(busy_loop, handle));
	run(&c, keep, &kept);
	CHECK_OK(uvhooks_local_storage_release_snapshot(&kept));
	uv_close((uv_handle_t *) handle, on_busy_closed);
	release_store(store);
}

static void busy_release(uv_loop_t *loop)
{
	static struct uvhooks_local_storage busy = UVHOOKS_LOCAL_STORAGE(release_busily, 0);

	struct uvhooks_snapshot kept;

	begin();
	busy_loop = loop;
	uvhooks_local_storage_run(&busy, &a, keep, &kept);
	CHECK_OK(uvhooks_local_storage_release_snapshot(&kept));
	uvhooks_local_storage_run(&busy, &a, start_two, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	close_timer(loop, &timer);
	close_timer(loop, &other);
	CHECK_OK(uvhooks_local_storage_enter_with(&busy, &b));
	CHECK_OK(uvhooks_local_storage_enter_with(&busy, NULL));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	in_the_end(2, 1, 3);
}

/* errno is the program's, whatever a release function leaves there. */
static void release_with_errno(void *store)
{
	release_store(store);
	errno = EDOM;
}

static void *set_errno(void *argument)
{
	errno = ERANGE;
	return argument;
}

static void errno_kept(uv_loop_t *loop)
{
	static struct uvhooks_local_storage noisy = UVHOOKS_LOCAL_STORAGE(release_with_errno, 0);

	(void) loop;
	begin();
	uvhooks_local_storage_run(&noisy, &a, set_errno, NULL);
	CHECK(!uvhooks_present() || errno == ERANGE);
	in_the_end(1, 0, 0);
}

/* Memory of malloc, given to free: what a sanitizer knows all about. */
static struct uvhooks_local_storage text = UVHOOKS_LOCAL_STORAGE(free, 0);

static void on_text(uv_timer_t *handle)
{
	const char *store = uvhooks_local_storage_get_store(&text);
	char expected[16];

	snprintf(expected, sizeof expected, "r-%d", (int) (intptr_t) handle->data);
	if (uvhooks_present()) {
		CHECK(strcmp(store, expected) == 0);
		note_sighting(__func__);
	}
	uv_close((uv_handle_t *) handle, NULL);
}

static void *start_text(void *data)
{
	uv_timer_t *handle = data;

	CHECK_OK(uv_timer_init(handle->loop, handle));
	CHECK_OK(uv_timer_start(handle, on_text, (uint64_t) (intptr_t) handle->data % 3, 0));
	return data;
}

static void heap_stores(uv_loop_t *loop)
{
	static uv_timer_t timers[100];

	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof name, "r-%d", i);
		timers[i].loop = loop;
		timers[i].data = (void *) (intptr_t) i;
		uvhooks_local_storage_run(&text, strdup(name), start_text, &timers[i]);
	}
}

static const struct scene scenes[] = {
    {"handle_ends", handle_ends},
    {"started_again", started_again},
    {"restarted_inside", restarted_inside},
    {"closed_inside", closed_inside},
    {"request_ends", request_ends},
    {"two_hold", two_hold},
    {"two_storages", two_storages},
    {"changed_behind", changed_behind},
    {"disabled", disabled},
    {"storage_goes", storage_goes},
    {"storage_again", storage_again},
    {"busy_release", busy_release},
    {"errno_kept", errno_kept},
    {"heap_stores", heap_stores},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
