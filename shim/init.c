/* SPDX-License-Identifier: MIT */
/*
 * The constructor and the first intercepted call do the same: constructors of other libraries may
 * call libuv before ours has run, and a libuv may come by dlopen long after it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"
#include "control.h"
#include "hooks.h"
#include "init.h"
#include "memcheck.h"
#include "notice.h"
#include "plugin.h"

enum gate {
	GATE_UNREADY = 1,
	GATE_ASK = 2, /* a libuv whose own calls arrive */
	GATE_UNSETTLED = 4,
	GATE_OFF = 8,
};

UVH_HOT uint8_t uvh_gate = GATE_UNREADY;
UVH_HOT bool uvh_send_asks;

static bool embedding; /* the program has resources of its own, or may have */

static bool is_embedding(void)
{
	return __atomic_load_n(&embedding, __ATOMIC_ACQUIRE);
}

static void in_child(void)
{
	uvh_lock_forked();
	uvh_context_forked();
	uvh_control_forked();
}

/* Do calls of this libuv to itself arrive through symbols? */
static bool asks(const struct uvh_libuv *libuv)
{
	return libuv->rule == UVH_RULE_CALLER || libuv->rule == UVH_RULE_DEPTH;
}

bool uvh_is_off(void)
{
	return __atomic_load_n(&uvh_gate, __ATOMIC_RELAXED) & GATE_OFF;
}

void uvh_turn_off(enum uvhooks_control_state why)
{
	uvh_lock();
	__atomic_or_fetch(&uvh_gate, GATE_OFF, __ATOMIC_RELEASE);
	__atomic_store_n(&uvh_sink_hook, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&uvh_hook_set, NULL, __ATOMIC_RELEASE);
	uvh_watch();
	uvh_control_state(why);
	uvh_unlock();
}

void uvh_broken(const char *what)
{
	uvh_count(UVH_COUNT_invariants_broken);
	if (uvh_options.strict || uvh_options.verbose)
		uvh_message("invariant broken: %s", what);
	if (uvh_options.strict)
		abort(); /* allowed: UVHOOKS_STRICT=1 asked for it */
	uvh_turn_off(UVHOOKS_CONTROL_BROKEN);
}

static bool is_main_thread(void)
{
	return syscall(SYS_gettid) == getpid();
}

static bool prepare(void)
{
	static bool prepared, usable;

	uvh_lock();
	if (!prepared) {
		struct uvh_context *context;

		prepared = true;
		uvh_message_begin();
		uvh_options_read();
		uvh_on_memcheck = uvh_send_asks = UVH_ON_MEMCHECK();
		uvh_context_init();
		context = uvh_context();
		usable = context != NULL && uvh_spaces_init(context);
		if (usable && !is_main_thread())
			context->home = NULL;
		pthread_atfork(uvh_lock, uvh_unlock, in_child);
		uvh_control_begin();
		if (uvh_options.disable) {
			uvh_options.patch = uvh_options.rebind = false;
			uvh_turn_off(UVHOOKS_CONTROL_DISABLED);
		}
	}
	uvh_unlock();
	return usable;
}

/* Where nothing but the loader's lock may be held. */
static void scan_for_libuv(void)
{
	uvh_libuv_scan(UVH_SCAN_START);
	if (!uvh_libuv_unsettled)
		return;
	uvh_libuv_settle();
	if (uvh_control.libuv[0] == '\0')
		uvh_control_libuv();
	if (asks(&uvh_libuvs[0])) {
		__atomic_store_n(&uvh_depth_matters, true, __ATOMIC_RELEASE);
		__atomic_or_fetch(&uvh_gate, GATE_ASK, __ATOMIC_RELEASE);
	}
}

/* Call sites that were looked at: each is bound to one libuv for good. */
#define SITES 256

const struct uvh_real *uvh_other_libuv(uintptr_t caller)
{
	static uintptr_t looked[SITES];
	uintptr_t *site = &looked[(caller ^ caller >> 8) % SITES];
	const struct uvh_libuv *libuv;
	size_t before = uvh_libuv_count;

	if (__atomic_load_n(site, __ATOMIC_RELAXED) == caller || !prepare())
		return NULL;
	scan_for_libuv();
	__atomic_store_n(site, caller, __ATOMIC_RELAXED);
	libuv = uvh_libuv_of_caller(caller);
	/*
	 * A module's function that ends with the call jumps to us, and the caller is whoever called
	 * the module. If one libuv is new since the last look, it is for that one.
	 */
	if (libuv == NULL && before > 0 && uvh_libuv_count == before + 1)
		libuv = &uvh_libuvs[before];
	if (libuv == NULL || libuv == &uvh_libuvs[0])
		return NULL;
	if (libuv->rule == UVH_RULE_UNTRACED)
		return &libuv->real;
	uvh_tls.libuv = (uint8_t) (libuv - uvh_libuvs); /* the wrapper's next look takes it */
	return NULL;
}

/*
 * A plugin that calls libuv while it starts comes back here, and so may another thread: both go on.
 * To wait could be a deadlock, since either may hold the loader's lock.
 */
static bool load_plugins(void)
{
	static bool begun;

	if (__atomic_exchange_n(&begun, true, __ATOMIC_ACQ_REL))
		return false;
	if (uvh_is_off())
		return true;
	uvh_tls.quiet++;
	uvh_plugins_load(uvh_options.plugins);
	uvh_tls.quiet--;
	return true;
}

/* Plugins are loaded once there is something to hook: a shell in the tree loads none. */
static void become_ready(void)
{
	if (!prepare())
		return;
	scan_for_libuv();
	if (uvh_libuv_count == 0)
		return;
	if (load_plugins() || is_embedding())
		__atomic_and_fetch(&uvh_gate, (uint8_t) ~GATE_UNREADY, __ATOMIC_RELEASE);
}

/* A program without libuv may have resources of its own. */
UVH_SLOW static void start_embedding(void)
{
	int saved_errno = errno;

	if (prepare()) {
		if (uvh_gate & GATE_UNREADY)
			become_ready();
		load_plugins();
		__atomic_store_n(&embedding, true, __ATOMIC_RELEASE);
	}
	errno = saved_errno;
}

struct uvh_context *uvh_storing_context(uintptr_t here)
{
	struct uvh_context *context;

	if (UVH_UNLIKELY(!is_embedding())) {
		start_embedding();
		if (!is_embedding())
			return NULL;
	}
	context = uvh_context();
	if (UVH_LIKELY(context != NULL))
		uvh_stack_check(context, here);
	return context;
}

struct uvh_context *uvh_embedding_context(uintptr_t here)
{
	return UVH_UNLIKELY(uvh_is_off()) ? NULL : uvh_storing_context(here);
}

/* Does libuv itself call? */
static bool is_own_call(const struct uvh_libuv *libuv, uintptr_t caller)
{
	bool from_libuv = caller >= libuv->text_low && caller < libuv->text_high;

	/* A call that ends a callback is compiled as a jump: it seems to come from a trampoline. */
	if (libuv->rule == UVH_RULE_DEPTH || uvh_is_shim(caller))
		return uvh_tls.in_libuv;
	/* Its entries have told most, but for what came before its GOT was rebound. */
	if (libuv->rule == UVH_RULE_PATCHED)
		return uvh_tls.in_libuv && from_libuv;
	/* Also where the GOT is rebound: the program may have libuv's functions from dlsym. */
	return from_libuv;
}

struct uvh_arrival uvh_arrive(uintptr_t caller)
{
	const uint8_t index = uvh_tls.libuv;
	int saved_errno = errno;

	uvh_tls.libuv = 0;
	if (uvh_gate & GATE_UNREADY)
		become_ready();
	if (uvh_gate & GATE_UNSETTLED) {
		__atomic_and_fetch(&uvh_gate, (uint8_t) ~GATE_UNSETTLED, __ATOMIC_RELEASE);
		scan_for_libuv();
	}
	errno = saved_errno;
	return (struct uvh_arrival){
	    .real = &uvh_libuvs[index].real,
	    .pass = uvh_libuv_count == 0 || uvh_tls.quiet || uvh_is_off() ||
		    (index == 0 && is_own_call(&uvh_libuvs[0], caller)),
	};
}

/* The loader's lock is held, and the new objects are not relocated: nothing of them is called. */
void uvh_objects_changed(void)
{
	int saved_errno = errno;

	if (prepare() && uvh_libuv_scan(UVH_SCAN_LATE))
		__atomic_or_fetch(&uvh_gate, GATE_UNSETTLED, __ATOMIC_RELEASE);
	errno = saved_errno;
}

static void tell_counters(void)
{
#define XX(name)                                                                                   \
	if (uvh_counted(UVH_COUNT_##name) != 0)                                                    \
		uvh_message("%s: %llu", #name, (unsigned long long) uvh_counted(UVH_COUNT_##name));
	UVHOOKS_COUNTER_MAP(XX)
#undef XX
}

/* Where the stack of the first thread begins, and where it was when the process began to end. */
static uintptr_t stack_begins, stack_ends;

/* From main's caller to the functions that are called at exit it is less: 700 bytes. */
#define STACK_OF_EXIT 1024

static void on_exit_begun(void)
{
	stack_ends = UVH_HERE();
}

bool uvh_main_has_returned(void)
{
	return stack_ends != 0 && stack_begins - stack_ends < STACK_OF_EXIT;
}

__attribute__((constructor)) static void on_load(int count, char **words)
{
	int saved_errno = errno;

	(void) count;
	stack_begins = (uintptr_t) words; /* of glibc; of others it may be anything */
	atexit(on_exit_begun);
	become_ready();
	if (uvh_options.patch)
		uvh_notice_install();
	if (uvh_options.verbose)
		uvh_message("version %s in process %d; libuv: %s; plugins: %s", UVHOOKS_VERSION,
			    (int) getpid(), uvh_libuv_count > 0 ? "found" : "none yet",
			    uvh_options.plugins == NULL ? "none" : uvh_options.plugins);
	errno = saved_errno;
}

/*
 * Nothing is freed, joined or unloaded: libuv's own destructor joins its pool, whose callbacks may
 * still come through the trampolines.
 */
__attribute__((destructor)) static void on_unload(void)
{
	int saved_errno = errno;
	struct uvh_context *context = uvh_tls.context;

	if (uvh_options.flush_at_exit && context != NULL && uvh_hooks_on())
		uvh_unwind_all(context, UVHOOKS_FLAG_AT_EXIT);
	if (!uvh_options.disable && uvh_options.launched == (long) uvh_control.pid &&
	    uvh_gate & GATE_UNREADY && !is_embedding())
		uvh_message("this program loaded no libuv that could be seen: no event was "
			    "recorded; `uvhooks check PROGRAM` tells why");
	if (uvh_options.verbose)
		tell_counters();
	errno = saved_errno;
}
