/* SPDX-License-Identifier: MIT */
/*
 * The program's own code that runs inside libuv, but not as a callback of a resource, and calls
 * libuv from there: its allocator, its handlers of fork, its alloc and walk callbacks. And libuv's
 * code that calls libuv beside it.
 */
#include "../programs/program.h"

#include <pthread.h>
#include <stdbool.h>

static uv_timer_t timer;
static uv_idle_t idle;
static uv_async_t async;
static bool calling; /* the allocator calls libuv */
static unsigned int calls;
static bool woken, done;

static void end(void);

static void on_idle(uv_idle_t *handle)
{
	uv_idle_stop(handle);
}

static void on_timer(uv_timer_t *handle)
{
	uv_timer_stop(handle);
}

static void on_async(uv_async_t *handle)
{
	(void) handle;
	woken = true;
	if (done)
		end();
}

/* Not at its end, where the compiler could make it a jump: then it would look like libuv's own. */
static void call_libuv(void)
{
	if (!calling)
		return;
	calling = false;
	CHECK_OK(uv_idle_start(&idle, on_idle));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	CHECK_OK(uv_async_send(&async));
	CHECK_OK(uv_timer_stop(&timer));
	calls++;
	calling = true;
}

static void *own_malloc(size_t bytes)
{
	void *memory;

	call_libuv();
	memory = malloc(bytes);
	return memory;
}

static void *own_realloc(void *memory, size_t bytes)
{
	call_libuv();
	memory = realloc(memory, bytes);
	return memory;
}

static void *own_calloc(size_t count, size_t bytes)
{
	void *memory;

	call_libuv();
	memory = calloc(count, bytes);
	return memory;
}

static void own_free(void *memory)
{
	call_libuv();
	free(memory);
}

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	puts("closed");
}

static void begin(uv_loop_t *loop)
{
	woken = false;
	done = false;
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_idle_init(loop, &idle));
	CHECK_OK(uv_async_init(loop, &async, on_async));
}

static void end(void)
{
	printf("called libuv %s\n", calls > 0 ? "from inside" : "never");
	calls = 0;
	uv_close((uv_handle_t *) &timer, on_close);
	uv_close((uv_handle_t *) &idle, NULL);
	uv_close((uv_handle_t *) &async, on_close);
}

/* The wakeup may come before or after what else a scene waits for. */
static void end_when_woken(void)
{
	done = true;
	if (woken)
		end();
}

static void on_stat(uv_fs_t *request)
{
	calling = false;
	puts("stat");
	uv_fs_req_cleanup(request);
	end_when_woken();
}

/* libuv copies the path, and frees the copy. */
static void allocator(uv_loop_t *loop)
{
	static uv_fs_t request;

	begin(loop);
	calling = true;
	CHECK_OK(uv_fs_stat(loop, &request, ".", on_stat));
}

static void on_write(uv_write_t *request, int status)
{
	(void) request;
	CHECK_OK(status);
	puts("written");
}

static uv_pipe_t left, right;

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) stream;
	(void) buffer;
	if (count <= 0)
		return;
	puts("read");
	end_when_woken();
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, on_close);
}

static void alloc_with_calls(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	give_buffer(handle, suggested, buffer);
	calling = true;
	call_libuv();
	calling = false;
}

static void alloc_with_jump(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	give_buffer(handle, suggested, buffer);
	calls++;
	uv_async_send(&async);
}

static void read_with(uv_loop_t *loop, uv_alloc_cb give)
{
	static uv_write_t request;
	uv_buf_t buffer = uv_buf_init("text", 4);

	begin(loop);
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &right, give, on_read));
	CHECK_OK(uv_write(&request, (uv_stream_t *) &left, &buffer, 1, on_write));
}

static void alloc_callback(uv_loop_t *loop)
{
	read_with(loop, alloc_with_calls);
}

static void alloc_callback_jumps(uv_loop_t *loop)
{
	read_with(loop, alloc_with_jump);
}

static void start_and_stop(uv_handle_t *handle, void *data)
{
	(void) data;
	if (handle->type != UV_IDLE)
		return;
	calling = true;
	call_libuv();
	calling = false;
}

static void close_each(uv_handle_t *handle, void *data)
{
	(void) data;
	uv_close(handle, on_close);
}

static void walk(uv_loop_t *loop)
{
	begin(loop);
	uv_walk(loop, start_and_stop, NULL);
	printf("called libuv %s\n", calls > 0 ? "from inside" : "never");
	calls = 0;
	uv_walk(loop, close_each, NULL);
}

static bool forking;

static void on_fork(void)
{
	if (!forking)
		return;
	calling = true;
	call_libuv();
	calling = false;
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	printf("child: %d, %d\n", (int) status, signal);
	uv_close((uv_handle_t *) process, on_close);
	end_when_woken();
}

/* The handlers run below uv_spawn, in the parent before and after. */
static void fork_handlers(uv_loop_t *loop)
{
	static uv_process_t process;
	char *arguments[] = {"true", NULL};
	uv_process_options_t options = {
	    .exit_cb = on_exit_of_child, .file = "true", .args = arguments};
	pid_t pid;

	CHECK(pthread_atfork(on_fork, on_fork, NULL) == 0);
	begin(loop);
	forking = true;
	CHECK_OK(uv_spawn(loop, &process, &options));
	forking = false;
	/* libuv may do without the handlers; fork does not. */
	forking = true;
	pid = fork();
	if (pid == 0)
		_exit(0);
	forking = false;
	CHECK(pid > 0);
}

static uv_fs_poll_t fs_poll;

static void on_change(uv_fs_poll_t *handle, int status, const uv_stat_t *before,
		      const uv_stat_t *now)
{
	(void) before;
	(void) now;
	CHECK_RESULT(status, UV_ENOENT);
	calling = false;
	uv_close((uv_handle_t *) handle, on_close);
	end_when_woken();
}

/* Of libuv's own timer and requests nothing is seen, also if the allocator calls in between. */
static void beside_own_calls(uv_loop_t *loop)
{
	begin(loop);
	CHECK_OK(uv_fs_poll_init(loop, &fs_poll));
	calling = true;
	CHECK_OK(uv_fs_poll_start(&fs_poll, on_change, "no-such-file", 1));
}

static const struct scene scenes[] = {
    {"allocator", allocator},
    {"alloc_callback", alloc_callback},
    {"alloc_callback_jumps", alloc_callback_jumps},
    {"walk", walk},
    {"fork_handlers", fork_handlers},
    {"beside_own_calls", beside_own_calls},
};

int main(int argc, char **argv)
{
	CHECK_OK(uv_replace_allocator(own_malloc, own_realloc, own_calloc, own_free));
	return PLAY(scenes);
}
