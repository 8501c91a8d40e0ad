/* SPDX-License-Identifier: MIT */
/* Timers, idlers and the other watchers: started, stopped, fired. */
#include "wrap.h"
#include "emit.h"
#include "entry.h"
#include "pool.h"
#include "wrap_async.h"

static void tramp_timer(uv_timer_t *handle)
{
	UVH_SCOPE(scope);
	uv_timer_cb callback = (uv_timer_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle);
	scope.returned = true;
}

UVH_EXPORT int uv_timer_start(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_timer_start(handle, cb, timeout, repeat));
	result = UVH_CALL(real->uv_timer_start(handle, UVH_SWAP(cb, tramp_timer), timeout, repeat));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_timer);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_timer_again(uv_timer_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result = UVH_CALL(real->uv_timer_again(handle));

	/* Without a repeat value it leaves the timer as it is. */
	if (record != NULL && result == 0 && real->uv_timer_get_repeat(handle) != 0)
		uvh_armed(record);
	return result;
}

UVH_EXPORT int uv_timer_stop(uv_timer_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_timer_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}

static void tramp_idle(uv_idle_t *handle)
{
	UVH_SCOPE(scope);
	uv_idle_cb callback = (uv_idle_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle);
	scope.returned = true;
}

/* libuv ignores a second start of idlers, preparers and checkers: the first callback stays. */
UVH_EXPORT int uv_idle_start(uv_idle_t *handle, uv_idle_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_idle_start(handle, cb));
	if (real->uv_is_active((const uv_handle_t *) handle))
		return UVH_CALL(real->uv_idle_start(handle, UVH_SWAP(cb, tramp_idle)));
	result = UVH_CALL(real->uv_idle_start(handle, UVH_SWAP(cb, tramp_idle)));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_idle);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_idle_stop(uv_idle_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_idle_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}

static void tramp_prepare(uv_prepare_t *handle)
{
	UVH_SCOPE(scope);
	uv_prepare_cb callback = (uv_prepare_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle);
	scope.returned = true;
}

UVH_EXPORT int uv_prepare_start(uv_prepare_t *handle, uv_prepare_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_prepare_start(handle, cb));
	if (real->uv_is_active((const uv_handle_t *) handle))
		return UVH_CALL(real->uv_prepare_start(handle, UVH_SWAP(cb, tramp_prepare)));
	result = UVH_CALL(real->uv_prepare_start(handle, UVH_SWAP(cb, tramp_prepare)));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_prepare);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_prepare_stop(uv_prepare_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_prepare_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}

static void tramp_check(uv_check_t *handle)
{
	UVH_SCOPE(scope);
	uv_check_cb callback = (uv_check_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle);
	scope.returned = true;
}

UVH_EXPORT int uv_check_start(uv_check_t *handle, uv_check_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_check_start(handle, cb));
	if (real->uv_is_active((const uv_handle_t *) handle))
		return UVH_CALL(real->uv_check_start(handle, UVH_SWAP(cb, tramp_check)));
	result = UVH_CALL(real->uv_check_start(handle, UVH_SWAP(cb, tramp_check)));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_check);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_check_stop(uv_check_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_check_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}

__attribute__((noinline)) static void emit_wakeup(uv_async_t *handle)
{
	struct uvh_record *record = uvh_record_of_handle(handle);
	struct uvh_context *context = uvh_context();

	if (record != NULL && context != NULL && record->callback[UVH_MAIN] != NULL)
		uvh_tell(context, UVHOOKS_EVENT_WAKEUP, record, uvh_execution_id(context),
			 __atomic_load_n(&record->arm, __ATOMIC_RELAXED),
			 record->callback[UVH_MAIN], 0);
}

void uvh_tramp_async(uv_async_t *handle)
{
	UVH_SCOPE(scope);
	struct uvh_store *captured;
	struct uvh_record *received = NULL; /* the record, if it was sent stores */
	uv_async_cb callback;

	if (UVH_UNLIKELY(uvh_sends_slowly())) {
		received = uvh_record_of_handle(handle);
		if (received != NULL && !uvh_stores_receive(received, &captured))
			received = NULL;
	}
	if (UVH_UNLIKELY(uvh_hooks_on()))
		emit_wakeup(handle);
	callback = (uv_async_cb) uvh_enter_handle(&scope, handle, 0);
	if (UVH_UNLIKELY(received != NULL))
		uvh_stores_received(scope.context, received, captured);
	if (callback != NULL)
		callback(handle);
	scope.returned = true;
}

/*
 * May run in a signal handler and on any thread, and the handle may be freed by the loop's thread
 * before the real call returns. So: no hook is called here, nothing is allocated but a context on
 * a thread's first call, and the handle is not touched afterwards. Sends that libuv coalesces leave
 * the latest sender.
 */
static inline int send_from(const struct uvh_real *real, uv_async_t *handle,
			    uvhooks_async_id sender)
{
	struct uvh_record *record = uvh_record_of_handle(handle);

	if (UVH_LIKELY(record != NULL))
		__atomic_store_n(&record->arm, sender, __ATOMIC_RELAXED);
	else if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_pool_sends(handle);
	/* Not by UVH_CALL: it calls nothing that is intercepted, and can be a jump like this. */
	return real->uv_async_send(handle);
}

UVH_SLOW static int send_slowly(const struct uvh_real *real, uv_async_t *handle)
{
	struct uvh_context *context;

	if (uvh_record_of_fresh(uvh_handle_tag(handle), handle) == NULL) {
		if (uvh_hooks_on())
			uvh_pool_sends(handle);
		return real->uv_async_send(handle);
	}
	context = uvh_context();
	if (context == NULL)
		uvh_count(UVH_COUNT_unknown_senders);
	else if (uvh_storing())
		uvh_stores_send(context, uvh_record_of_handle(handle));
	return send_from(real, handle, context == NULL ? 0 : uvh_execution_id(context));
}

static inline int send_by(const struct uvh_real *real, uv_async_t *handle)
{
	struct uvh_context *context = uvh_tls.context;

	if (UVH_UNLIKELY(context == NULL) || UVH_UNLIKELY(context->home == NULL) ||
	    UVH_UNLIKELY(uvh_sends_slowly()))
		return send_slowly(real, handle);
	return send_from(real, handle, uvh_execution_id(context));
}

/* What comes from a patched entry. */
int uvh_async_send_patched(uv_async_t *handle, const struct uvh_patched *patched)
{
	return send_by(&uvh_libuvs[patched->libuv].real, handle);
}

UVH_EXPORT int uv_async_send(uv_async_t *handle)
{
	return send_by(&uvh_libuvs[0].real, handle);
}

static void tramp_poll(uv_poll_t *handle, int status, int events)
{
	UVH_SCOPE(scope);
	uv_poll_cb callback = (uv_poll_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle, status, events);
	scope.returned = true;
}

UVH_EXPORT int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active;
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_poll_start(handle, events, cb));
	was_active = uvh_was_active(real, record, handle);
	result = UVH_CALL(real->uv_poll_start(handle, events, UVH_SWAP(cb, tramp_poll)));
	if (result != 0)
		return result;
	if (events == 0) { /* that is a stop */
		uvh_disarmed(record, was_active);
	} else {
		UVH_STORE(record, UVH_MAIN, cb, tramp_poll);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_poll_stop(uv_poll_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_poll_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}

static void tramp_signal(uv_signal_t *handle, int signum)
{
	UVH_SCOPE(scope);
	uv_signal_cb callback = (uv_signal_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle, signum);
	scope.returned = true;
}

UVH_EXPORT int uv_signal_start(uv_signal_t *handle, uv_signal_cb cb, int signum)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_signal_start(handle, cb, signum));
	result = UVH_CALL(real->uv_signal_start(handle, UVH_SWAP(cb, tramp_signal), signum));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_signal);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_signal_start_oneshot(uv_signal_t *handle, uv_signal_cb cb, int signum)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_signal_start_oneshot(handle, cb, signum));
	result =
	    UVH_CALL(real->uv_signal_start_oneshot(handle, UVH_SWAP(cb, tramp_signal), signum));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_signal);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_signal_stop(uv_signal_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_signal_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}

static void tramp_fs_event(uv_fs_event_t *handle, const char *filename, int events, int status)
{
	UVH_SCOPE(scope);
	uv_fs_event_cb callback = (uv_fs_event_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle, filename, events, status);
	scope.returned = true;
}

UVH_EXPORT int uv_fs_event_start(uv_fs_event_t *handle, uv_fs_event_cb cb, const char *path,
				 unsigned int flags)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_fs_event_start(handle, cb, path, flags));
	result =
	    UVH_CALL(real->uv_fs_event_start(handle, UVH_SWAP(cb, tramp_fs_event), path, flags));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_fs_event);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_fs_event_stop(uv_fs_event_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_fs_event_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}

static void tramp_fs_poll(uv_fs_poll_t *handle, int status, const uv_stat_t *previous,
			  const uv_stat_t *current)
{
	UVH_SCOPE(scope);
	uv_fs_poll_cb callback = (uv_fs_poll_cb) uvh_enter_handle(&scope, handle, 0);

	if (callback != NULL)
		callback(handle, status, previous, current);
	scope.returned = true;
}

/* Like an idler's, its second start is ignored. */
UVH_EXPORT int uv_fs_poll_start(uv_fs_poll_t *handle, uv_fs_poll_cb cb, const char *path,
				unsigned int interval)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active;
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_fs_poll_start(handle, cb, path, interval));
	was_active = real->uv_is_active((const uv_handle_t *) handle);
	result =
	    UVH_CALL(real->uv_fs_poll_start(handle, UVH_SWAP(cb, tramp_fs_poll), path, interval));
	if (result == 0 && !was_active) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_fs_poll);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_fs_poll_stop(uv_fs_poll_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	bool was_active = uvh_was_active(real, record, handle);
	int result = UVH_CALL(real->uv_fs_poll_stop(handle));

	if (record != NULL)
		uvh_disarmed(record, was_active);
	return result;
}
