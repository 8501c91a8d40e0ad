/* SPDX-License-Identifier: MIT */
/* Loops: made, run, walked, closed. */
#include "control.h"
#include "wrap.h"

/* A loop was made by the program, or by a plugin, whose loops are not traced. */
static void loop_made(uv_loop_t *loop, bool pass)
{
	struct uvh_context *context = uvh_context();

	if (context != NULL && (!pass || uvh_tls.quiet))
		uvh_loop_begin(context, loop, !pass);
}

/*
 * A loop that libuv is about to free or has closed. Waiting destroys are delivered while its
 * memory can still be named.
 */
static void loop_closed(uv_loop_t *loop)
{
	struct uvh_context *context = uvh_context();

	if (context == NULL)
		return;
	uvh_drain(context);
	uvh_loop_end(context, loop);
}

UVH_EXPORT uv_loop_t *uv_default_loop(void)
{
	const struct uvh_real *other = uvh_other_libuv((uintptr_t) __builtin_return_address(0));

	if (UVH_UNLIKELY(other != NULL))
		return other->uv_default_loop();

	UVH_ENTER();
	uv_loop_t *loop = UVH_CALL(real->uv_default_loop());

	if (loop != NULL && !pass && uvh_context() != NULL)
		uvh_default_loop_seen(loop);
	return loop;
}

UVH_EXPORT uv_loop_t *uv_loop_new(void)
{
	const struct uvh_real *other = uvh_other_libuv((uintptr_t) __builtin_return_address(0));

	if (UVH_UNLIKELY(other != NULL))
		return other->uv_loop_new();

	UVH_ENTER();
	uv_loop_t *loop = UVH_CALL(real->uv_loop_new());

	if (loop != NULL)
		loop_made(loop, pass);
	return loop;
}

UVH_EXPORT int uv_loop_init(uv_loop_t *loop)
{
	const struct uvh_real *other = uvh_other_libuv((uintptr_t) __builtin_return_address(0));

	if (UVH_UNLIKELY(other != NULL))
		return other->uv_loop_init(loop);

	UVH_ENTER();
	int result = UVH_CALL(real->uv_loop_init(loop));

	if (result == 0)
		loop_made(loop, pass);
	return result;
}

UVH_EXPORT int uv_loop_close(uv_loop_t *loop)
{
	UVH_ENTER();
	int result;

	uvh_control_loop_hide(loop);
	result = UVH_CALL(real->uv_loop_close(loop));
	if (result == 0) {
		loop_closed(loop);
		return 0;
	}
	uvh_control_loop_show(loop);
	if (result == UV_EBUSY && !pass && UVH_UNLIKELY(uvh_hooks_on()))
		uvh_loop_busy(loop);
	return result;
}

UVH_EXPORT void uv_loop_delete(uv_loop_t *loop)
{
	UVH_ENTER();
	(void) pass;
	uvh_control_loop_hide(loop);
	UVH_CALL_VOID(real->uv_loop_delete(loop));
	loop_closed(loop);
}

/* The watchers live on in the child, with their ids: there is nothing to tell. */
UVH_EXPORT int uv_loop_fork(uv_loop_t *loop)
{
	UVH_ENTER();
	(void) pass;
	return UVH_CALL(real->uv_loop_fork(loop));
}

UVH_EXPORT void uv_library_shutdown(void)
{
	UVH_ENTER();
	(void) pass;
	UVH_CALL_VOID(real->uv_library_shutdown());
}

UVH_EXPORT int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
	UVH_ENTER();
	struct uvh_context *context = pass ? NULL : uvh_context();
	struct uvh_space *space = context == NULL ? NULL : uvh_space_of_loop(context, loop);
	int result;

	if (space == NULL)
		return UVH_CALL(real->uv_run(loop, mode));
	if (UVH_UNLIKELY(!space->listed))
		uvh_control_loop_runs(loop, space);

	UVH_SCOPE_LEFT_BY(scope, uvh_leave_slowly);
	scope.here = UVH_HERE();
	uvh_enter_loop(&scope, space);
	uvh_tls.in_libuv = 1;
	result = real->uv_run(loop, mode);
	scope.returned = true;
	return result;
}

struct walk {
	uv_walk_cb callback;
	void *arg;
};

static void tramp_walk(uv_handle_t *handle, void *arg)
{
	const struct walk *walk = arg;

	UVH_PROGRAM_CODE();
	walk->callback(handle, walk->arg);
}

UVH_EXPORT void uv_walk(uv_loop_t *loop, uv_walk_cb walk_cb, void *arg)
{
	UVH_ENTER();
	struct walk walk = {walk_cb, arg};

	if (pass || walk_cb == NULL)
		UVH_CALL_VOID(real->uv_walk(loop, walk_cb, arg));
	else
		UVH_CALL_VOID(real->uv_walk(loop, tramp_walk, &walk));
}
