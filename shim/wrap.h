/* SPDX-License-Identifier: MIT */
/*
 * What every wrapper uses. A wrapper is the program's way into libuv: it says which resource and
 * which rule, and calls the real function. Its trampolines, libuv's way back into the program,
 * stand just above it.
 *
 * Rules that hold throughout:
 * - What libuv returns is returned; errno is what libuv left.
 * - The program's callback is stored only after libuv accepted it: no callback runs before the
 *   call returns, but for work and threads.
 * - Where libuv treats NULL in its own way (an error, a synchronous call) it gets NULL.
 * - A callback that is our own trampoline was read back from the struct: what is stored stays. If
 *   it was read from another struct, it stands for that one's function: see uvh_meant().
 * - A request gets its callback back before that is called: the program may read it from there to
 *   submit the request again. libuv does not read it any more.
 * - A resource without a record is passed on untouched.
 */
#ifndef UVH_WRAP_H
#define UVH_WRAP_H

#include "context.h"
#include "init.h"
#include "stacks.h"
#include "state.h"
#include "storage.h"

#pragma GCC visibility push(hidden)

#define UVH_EXPORT __attribute__((visibility("default")))

/*
 * Opens a wrapper: `real` are the functions to call, `pass` is whether to stand aside. It must
 * stand in the exported function itself, since it takes its return address.
 */
#define UVH_ENTER()                                                                                \
	const struct uvh_arrival uvh_arrival =                                                     \
	    UVH_UNLIKELY(uvh_gate | uvh_tls.special)                                               \
		? uvh_arrive((uintptr_t) __builtin_return_address(0))                              \
		: (struct uvh_arrival){&uvh_libuvs[0].real, false};                                \
	const struct uvh_real *const real = uvh_arrival.real;                                      \
	const bool pass = uvh_arrival.pass

/* Calls libuv. Never a tail call: our frame stays between the program and libuv. */
#define UVH_CALL(expression)                                                                       \
	__extension__({                                                                            \
		uint8_t uvh_was_in_libuv = uvh_tls.in_libuv;                                       \
		uvh_tls.in_libuv = 1;                                                              \
		__auto_type uvh_result = (expression);                                             \
		uvh_tls.in_libuv = uvh_was_in_libuv;                                               \
		uvh_result;                                                                        \
	})

#define UVH_CALL_VOID(expression)                                                                  \
	do {                                                                                       \
		uint8_t uvh_was_in_libuv = uvh_tls.in_libuv;                                       \
		uvh_tls.in_libuv = 1;                                                              \
		expression;                                                                        \
		uvh_tls.in_libuv = uvh_was_in_libuv;                                               \
	} while (0)

/* What to hand to libuv for a callback that may be NULL. */
#define UVH_SWAP(callback, trampoline) ((callback) == NULL ? NULL : (trampoline))

/*
 * The function of a slot that all resources of this type in the loop have which have any: then it
 * is what a trampoline was meant to stand for that the program has read from one of them. Else
 * NULL, and that is counted.
 */
UVH_SLOW void *uvh_meant(uv_loop_t *loop, enum uvhooks_type type, enum uvh_slot slot);

/* The program's function for a request of its own. */
#define UVH_MEANT(loop, type, slot, function, trampoline)                                          \
	(UVH_UNLIKELY((function) == (trampoline)) ? uvh_meant(loop, type, slot)                    \
						  : (void *) (function))

/* Stores the program's callback, unless it is our trampoline come back. */
#define UVH_STORE(record, slot, function, trampoline)                                              \
	do {                                                                                       \
		if ((function) != (trampoline))                                                    \
			(record)->callback[slot] = (void *) (function);                            \
		else if ((slot) == UVH_MAIN && UVH_UNLIKELY((record)->callback[slot] == NULL))     \
			(record)->callback[slot] =                                                 \
			    uvh_meant(uvh_loop_of_space((record)->space), (record)->type, slot);   \
	} while (0)

static inline uvhooks_async_id uvh_record_id(const struct uvh_record *record)
{
	return record == NULL ? 0 : record->id;
}

/* wrap_record.c */

/*
 * A handle was initialised. What had been at that address is gone. NULL if it is not to be traced.
 * `here` is the wrapper's UVH_HERE(), in this and the next two.
 * `flags` is UVHOOKS_FLAG_FAILED where the handle exists although the call failed.
 */
struct uvh_record *uvh_handle_made(uintptr_t here, uv_loop_t *loop, void *handle,
				   enum uvhooks_type type, void *callback, unsigned int flags);

/* The same for a handle that has no callback yet; 0, for the wrapper to return. */
int uvh_handle_begun(uintptr_t here, uv_loop_t *loop, void *handle, enum uvhooks_type type);

/* Emits start or stop, or type_change. */
void uvh_handle_event(struct uvh_record *record, enum uvhooks_event_type event, void *callback);

void uvh_tell_start(struct uvh_context *context, const struct uvh_record *record,
		    uvhooks_async_id execution);

/* A handle was armed: remembers by whom. */
static inline void uvh_armed(struct uvh_record *record)
{
	struct uvh_context *context = uvh_context();
	uvhooks_async_id id;

	uvh_record_flag(record, UVH_RECORD_ARMED);
	if (UVH_UNLIKELY(context == NULL))
		return;
	id = uvh_execution_id(context);
	__atomic_store_n(&record->arm, id, __ATOMIC_RELAXED);
	if (UVH_LIKELY(!uvh_watched()))
		return;
	if (uvh_storing() && !uvh_stores_captured(context, record))
		uvh_stores_capture_slowly(context, record);
	if (uvh_hooks_on())
		uvh_tell_start(context, record, id);
}

/* Asked before a stop, and only where someone wants to hear of it. */
static inline bool uvh_was_active(const struct uvh_real *real, const struct uvh_record *record,
				  const void *handle)
{
	return record != NULL && uvh_hooks_on() && real->uv_is_active(handle);
}

/* A handle was disarmed, if it was armed. */
static inline void uvh_disarmed(struct uvh_record *record, bool was_active)
{
	__atomic_store_n(&record->flags, (uint8_t) (record->flags & ~UVH_RECORD_ARMED),
			 __ATOMIC_RELAXED);
	if (was_active && UVH_UNLIKELY(uvh_hooks_on()))
		uvh_handle_event(record, UVHOOKS_EVENT_STOP, record->callback[UVH_MAIN]);
}

/*
 * Prepares a record for a request of this loop, which the running callback triggers; it has no id
 * yet. NULL if it is not traced.
 */
struct uvh_record *uvh_submit(uintptr_t here, uv_loop_t *loop, void *request,
			      enum uvhooks_type type, void *callback);

/* The same for a request that works on a handle, which triggers it. */
struct uvh_record *uvh_submit_on(uintptr_t here, const void *handle, void *request,
				 enum uvhooks_type type, void *callback);

__attribute__((noinline)) void uvh_submitted_slowly(struct uvh_record *record);

/* libuv took the request: it gets its id, and init is emitted. */
static inline void uvh_submitted(struct uvh_record *record)
{
	if (UVH_UNLIKELY(record->old_tag != 0) || UVH_UNLIKELY(uvh_watched()))
		uvh_submitted_slowly(record);
	else
		__atomic_store_n(&record->id, uvh_space_next_id(&uvh_spaces[record->space]),
				 __ATOMIC_RELEASE);
}

/* libuv refused it: an earlier submission is what it was. Not UVH_SLOW: gcc 12 would take what its
   caller does otherwise for cold, too. */
__attribute__((noinline)) void uvh_refused(struct uvh_record *record);

/* Ends a submission with what libuv returned. */
static inline int uvh_submit_done(struct uvh_record *record, int result)
{
	if (UVH_LIKELY(result == 0))
		uvh_submitted(record);
	else
		uvh_refused(record);
	return result;
}

/* The record of a callback's handle; found by search if the struct was overwritten; or NULL. */
struct uvh_record *uvh_lost_record(const void *owner, uint64_t tag);

static inline struct uvh_record *uvh_callback_record(const void *handle)
{
	struct uvh_record *record = uvh_record_of_handle(handle);

	return UVH_LIKELY(record != NULL)
		   ? record
		   : uvh_lost_record(handle, *uvh_handle_tag((void *) (uintptr_t) handle));
}

__attribute__((noinline)) void *uvh_enter_handle_slowly(struct uvh_scope *scope, const void *handle,
							unsigned int flags);

/* Enters a handle's callback; returns the program's function, or NULL if there is none to call. */
UVH_INLINE void *uvh_enter_handle(struct uvh_scope *scope, const void *handle, unsigned int flags)
{
	struct uvh_record *record = uvh_record_of_handle(handle);

	if (UVH_LIKELY(record != NULL)) {
		void *callback = record->callback[UVH_MAIN];

		if (UVH_LIKELY(callback != NULL) &&
		    UVH_LIKELY(uvh_enter_plainly(scope, record, callback, flags, false)))
			return uvh_entered(scope, callback);
	}
	scope->here = UVH_HERE();
	return uvh_enter_handle_slowly(scope, handle, flags);
}

/*
 * Enters a request's only callback: from here on the request is the program's again, to free or
 * submit. Where there is no function to call the resource just ends.
 */
__attribute__((noinline)) void *uvh_enter_request_slowly(struct uvh_scope *scope, void *request);

UVH_INLINE void *uvh_enter_request(struct uvh_scope *scope, void *request)
{
	struct uvh_record *record = uvh_record_of_request(request);

	if (UVH_LIKELY(record != NULL) && UVH_LIKELY(record->flags == 0)) {
		void *callback = record->callback[UVH_MAIN];

		if (UVH_LIKELY(callback != NULL) &&
		    UVH_LIKELY(uvh_enter_plainly(scope, record, callback, 0, true))) {
			uvh_record_leave(record, uvh_request_tag(request));
			return uvh_entered(scope, callback);
		}
	}
	scope->here = UVH_HERE();
	return uvh_enter_request_slowly(scope, request);
}

/*
 * alloc_cb is the program's code in a libuv call, but no callback of a resource. It passes a
 * trampoline only where it matters whether libuv or the program runs.
 */
#define UVH_SWAP_ALLOC(callback, trampoline)                                                       \
	((callback) == NULL || !uvh_depth_matters ? (callback) : (trampoline))

/* So does walk_cb. */
static inline void uvh_restore_in_libuv(const uint8_t *in_libuv)
{
	uvh_tls.in_libuv = *in_libuv;
}

#define UVH_PROGRAM_CODE()                                                                         \
	const uint8_t uvh_was_in_libuv __attribute__((cleanup(uvh_restore_in_libuv), unused)) =    \
	    uvh_tls.in_libuv;                                                                      \
	uvh_tls.in_libuv = 0

#pragma GCC visibility pop

#endif
