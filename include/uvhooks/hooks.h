/* SPDX-License-Identifier: MIT */
/*
 * The hook API: Node's async_hooks.createHook for C.
 *
 * A hook is a set of callbacks. While it is enabled, each of them is called for every event of
 * its kind, in every thread, unless the hook was made for one loop. The functions are in
 * libuvhooks.so; a plugin finds them because the shim is in the process, a program only if it
 * is. They are declared weak, so that a program links nothing, and may be called without the
 * shim: then there are no hooks, and every async id is 0.
 *
 *	static void on_init(const struct uvhooks_event *event, void *data)
 *	{
 *		++*(unsigned long *) data;
 *	}
 *
 *	static unsigned long inits;
 *	static const struct uvhooks_callbacks callbacks = {
 *		.size = sizeof callbacks,
 *		.init = on_init,
 *	};
 *	struct uvhooks_hook *hook = uvhooks_create_hook(&callbacks, &inits);
 *	uvhooks_hook_enable(hook);
 *
 * The rules for a callback:
 *
 * - It runs on the thread where the event happened, on that thread's stack (4 KiB is a good
 *   limit), and events of different threads arrive at the same time.
 * - The event and all it points to are valid during the call only. `pointer` may dangle in destroy.
 * - It may call malloc, take locks of its own and call libuv on a loop of its own. libuv resources
 *   that it creates are not traced (unless the hook says UVHOOKS_HOOK_NESTED). It must never touch
 *   the program's loop.
 * - enable and disable inside a callback take effect on that thread once the outermost event has
 *   been delivered, as in Node.
 * - errno is preserved around it. A C++ exception that leaves it is caught, and the hook disabled.
 */
#ifndef UVHOOKS_HOOKS_H
#define UVHOOKS_HOOKS_H

#include <errno.h>
#include <stdbool.h>
#include <uvhooks/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UVHOOKS_VERSION "0.1.0"

/*
 * One event. `size` says how many bytes of the struct the shim fills; fields are only appended.
 *
 * For loop_enter and loop_exit `async_id` is the loop's sequence 0 and `type` is UVHOOKS_NONE.
 */
struct uvhooks_event {
	uint32_t size;                       /* bytes that are valid */
	uint16_t event;                      /* enum uvhooks_event_type */
	uint16_t flags;                      /* enum uvhooks_flag, or'ed */
	uvhooks_async_id async_id;           /* the resource */
	uvhooks_async_id trigger_async_id;   /* the resource that caused it */
	uvhooks_async_id execution_async_id; /* whose callback runs now; 0 for destroy */
	uvhooks_async_id other_async_id;     /* wakeup: the sender; link: the other; start and stop:
						the execution id that armed it last; else 0 */
	uint16_t type;                       /* enum uvhooks_type; type_change: the new one */
	int16_t fs_type;                     /* see uvhooks_fs_name; UVHOOKS_FS_NONE elsewhere */
	uint32_t thread_id;                  /* the kernel's id of the thread */
	void *pointer;                       /* the uv_handle_t or uv_req_t; NULL for a thread */
	void *loop;                          /* its uv_loop_t; NULL for a thread */
	void *callback;                      /* the program's function that is armed or called */
	const void *stores;                  /* what uvhooks_local_storage_store_of_event reads */
	uint32_t stack;           /* of init, start, fs_call and stall: where it was done, for
				     uvhooks_read_stack (stacks.h); 0: not taken */
	uint32_t other_thread_id; /* stall: the thread that is stuck */
	uint64_t duration_ns;     /* fs_call, stall */
				  /* end of ABI 1 */
};

/*
 * A hook. It returns, or throws, and then is disabled; where longjmp leaves it, nothing that its
 * thread does is an event any more.
 */
typedef void (*uvhooks_event_cb)(const struct uvhooks_event *event, void *data);

/* For the `flags` of struct uvhooks_callbacks. */
enum uvhooks_hook_flag {
	/* libuv resources that this hook creates in a callback are traced, as in Node, until it is
	   eight deep in itself. */
	UVHOOKS_HOOK_NESTED = 1,
	/* Where this is the only hook, a thread's events go to the sink that it lent the thread;
	   see <uvhooks/trace_sink.h>. Not together with `loop` or UVHOOKS_HOOK_NESTED. */
	UVHOOKS_HOOK_SINKS = 2
};

/* Callbacks that are NULL are never called and cost nothing. Fields are only appended. */
struct uvhooks_callbacks {
	size_t size;       /* sizeof(struct uvhooks_callbacks) */
	uint32_t flags;    /* enum uvhooks_hook_flag, or'ed */
	uint32_t reserved; /* 0 */
	void *loop;        /* only events of this uv_loop_t; NULL: of all loops and threads */
	uvhooks_event_cb init;
	uvhooks_event_cb before;
	uvhooks_event_cb after;
	uvhooks_event_cb destroy;
	uvhooks_event_cb promise_resolve;
	uvhooks_event_cb start;
	uvhooks_event_cb stop;
	uvhooks_event_cb wakeup;
	uvhooks_event_cb work_begin;
	uvhooks_event_cb work_end;
	uvhooks_event_cb link;
	uvhooks_event_cb type_change;
	uvhooks_event_cb loop_enter;
	uvhooks_event_cb loop_exit;
	uvhooks_event_cb ref;
	uvhooks_event_cb unref;
	uvhooks_event_cb pool_end;
	uvhooks_event_cb fs_call;
	uvhooks_event_cb loop_busy;
	uvhooks_event_cb stall;
	/* end of ABI 1 */
};

struct uvhooks_hook;

/*
 * Is the shim in this process?
 *
 * Thread: any. Since: 0.1.
 */
static inline bool uvhooks_present(void);

/*
 * The version of the shim that is loaded, "0.1.0"; a static string, empty without the shim.
 *
 * Thread: any, and in signal handlers. Since: 0.1.
 */
UVHOOKS_API const char *uvhooks_version(void);

/*
 * Makes a hook, disabled. `callbacks` is copied; `data` is handed to each callback. A hook is never
 * freed. NULL if `callbacks` is NULL, its size is none that this shim knows, memory is short, or
 * there is no shim.
 *
 * Node: async_hooks.createHook(). Thread: any. Since: 0.1.
 */
UVHOOKS_API struct uvhooks_hook *uvhooks_create_hook(const struct uvhooks_callbacks *callbacks,
						     void *data);

/*
 * Hooks run in the order in which they were enabled, for every event. Enabling an enabled hook
 * does nothing; disabling and enabling it again moves it to the end. 0, or a negative errno:
 * -EINVAL (hook is NULL), -ENOMEM (it stays as it was), -EPERM (the shim is a pass-through:
 * UVHOOKS_DISABLE, or somebody has turned it off), -ENOSYS (there is no shim).
 *
 * Node: hook.enable(), hook.disable(). Thread: any; other threads see the change with their next
 * event. Since: 0.1.
 */
UVHOOKS_API int uvhooks_hook_enable(struct uvhooks_hook *hook);
UVHOOKS_API int uvhooks_hook_disable(struct uvhooks_hook *hook);

/*
 * The resource whose callback runs now, and the one that triggered it. Sequence 1: top-level code;
 * 0: inside libuv.
 *
 * Node: executionAsyncId(), triggerAsyncId(). Thread: any, of that thread. Since: 0.1.
 */
UVHOOKS_API uvhooks_async_id uvhooks_execution_async_id(void);
UVHOOKS_API uvhooks_async_id uvhooks_trigger_async_id(void);

/* `size` says how many bytes are valid; fields are only appended. */
struct uvhooks_resource {
	uint32_t size;
	uint16_t type;   /* enum uvhooks_type; UVHOOKS_NONE for top-level code */
	int16_t fs_type; /* see uvhooks_fs_name */
	uvhooks_async_id async_id;
	uvhooks_async_id trigger_async_id;
	uvhooks_async_id arm_async_id; /* the execution id that armed it last; for an uv_async_t,
					  the latest sender; 0 if it never was */
	void *pointer;                 /* NULL for top-level code and threads */
	void *loop;
	void *callback; /* the program's function, if it has one; of an embedder's
			   resource, if it runs */
	uint32_t
	    init_stack; /* where it was made, for uvhooks_read_stack (stacks.h); 0: not taken */
	uint32_t start_stack; /* where it was armed last */
			      /* end of ABI 1 */
};

/*
 * Describes the resource whose callback runs now; at top level the root, which has no pointer. The
 * caller sets `resource->size` to its own sizeof first. `pointer` is good until that resource's
 * destroy is due. 0, or -EINVAL for a size that is none.
 *
 * Node: executionAsyncResource(). Thread: any, of that thread. Since: 0.1.
 */
UVHOOKS_API int uvhooks_execution_async_resource(struct uvhooks_resource *resource);

typedef void (*uvhooks_resource_cb)(const struct uvhooks_resource *resource, void *data);

/*
 * Calls `callback` for each resource that is alive: so a hook that was enabled late learns what was
 * made before. Exact for the loops that the calling thread drives; of other threads' resources, one
 * that comes or goes during the walk may be missed. Returns how many it called for.
 *
 * Node: none (process.getActiveResourcesInfo() gives names only). Thread: any. Since: 0.1.
 */
UVHOOKS_API size_t uvhooks_for_each_resource(uvhooks_resource_cb callback, void *data);

/* What a resource is about and how it stands: what libuv itself goes by when it asks whether a
   loop is alive. `size` says how many bytes are valid; fields are only appended. */
#define UVHOOKS_STATE_TEXT_BYTES 96

struct uvhooks_state {
	uint32_t size;
	uint32_t flags;     /* enum uvhooks_state_flag, or'ed */
	int32_t fd;         /* its descriptor, or the file's of an fs request; -1: none */
	uint32_t number;    /* a process's pid, a signal's number, else 0 */
	uint64_t due_ms;    /* an armed timer: when it fires, on the loop's clock; else 0 */
	uint64_t repeat_ms; /* a timer's interval; else 0 */
	uint64_t bytes;     /* waiting to be written: of a write or send request, or a stream */
	/* UTF-8 as far as the program's is, and cut in front: a path; "LOCAL", "LOCAL < PEER" (it
	   was accepted) or "LOCAL > PEER" with addresses as ADDRESS:PORT or [ADDRESS]:PORT; a name
	   and a service that are looked up, as NAME:SERVICE; what a child was spawned from */
	char text[UVHOOKS_STATE_TEXT_BYTES];
	/* end of ABI 1 */
};

enum uvhooks_state_flag {
	UVHOOKS_STATE_ACTIVE = 1,  /* uv_is_active; of a request: always */
	UVHOOKS_STATE_REF = 2,     /* uv_has_ref; of a request: always */
	UVHOOKS_STATE_CLOSING = 4, /* uv_is_closing */
	UVHOOKS_STATE_READING = 8, /* a stream or socket is being read, or listens */
};

/*
 * How the resource of an event, or of uvhooks_for_each_resource(), stands now. The caller sets
 * `state->size` to its own sizeof first. It looks into the uv_handle_t or uv_req_t, so it is for
 * resources that are alive, on the thread that drives their loop. `text` takes a system call for
 * sockets. 0, -EINVAL for a size that is none or a `pointer` that is NULL, -ENOENT for a type that
 * is no handle and no request and for what is not there any more, -EPERM on another thread, -ENOSYS
 * without the shim.
 *
 * Node: none (process.getActiveResourcesInfo() gives names only). Thread: the loop's. Since: 0.1.
 */
UVHOOKS_API int uvhooks_resource_state(unsigned int type, const void *pointer,
				       struct uvhooks_state *state);

/* `size` says how many bytes are valid; fields are only appended. */
struct uvhooks_libuv {
	uint32_t size;
	uint32_t version; /* as uv_version() gives it, 0x012c02 is 1.44.2; 0: it does not tell */
	const char *path; /* as the loader knows it, "" for the program; good for ever */
			  /* end of ABI 1 */
};

typedef void (*uvhooks_libuv_cb)(const struct uvhooks_libuv *libuv, void *data);

/*
 * Calls `callback` for each libuv of this process whose calls are traced, the first that was found
 * first. There is one before the first event of its loops. Returns how many it called for.
 *
 * Thread: any. Since: 0.1.
 */
UVHOOKS_API size_t uvhooks_for_each_libuv(uvhooks_libuv_cb callback, void *data);

/*
 * What was lost or could not be done: 0 everywhere in a healthy process.
 *
 *   untracked_callbacks   a trampoline found no record: the program's callback could not be called
 *   recovered_callbacks   the record was found only by a slow search: the struct was overwritten
 *   foreign_leaves        a callback ended that the stack no longer held (stacks were switched)
 *   unwound_by_longjmp    callbacks left by longjmp, noticed late
 *   records_exhausted     no memory for a record: the resource runs untraced
 *   stack_exhausted       no memory for a deeper stack: the callback ran untraced
 *   contexts_exhausted    no memory for a thread's context: the thread runs untraced
 *   spaces_exhausted      more than 65,535 loops and threads at one time: the loop runs untraced
 *   forced_destroys       destroys delivered while a callback still ran
 *   other_libuvs          further copies of libuv in the process, whose calls are not traced
 *   missing_functions     calls of functions that the libuv in the process does not have
 *   hooks_thrown          hooks disabled because an exception left them
 *   plugins_failed        plugins that could not be loaded
 *   unbind_failed         libuvs whose own calls could not be told apart by their GOT
 *   unknown_senders       uv_async_send from a thread without a context
 *   patches_failed        libuvs that had to be patched and could not be
 *   patches_refused       functions of a patched libuv that were left alone
 *   notices_failed        the loader does not tell of new libraries; looked for now and then
 *   types_exhausted       more than 64,000 names of types: the resource is called EMBEDDER
 *   stores_exhausted      no memory for a store of a local storage: not entered, or not captured
 *   pool_ends_missed      pool_end events of threads that had no memory for a context
 *   invariants_broken     the shim found itself in a state that cannot be: it is a pass-through now
 *   hooks_too_deep        calls of a hook that asked for UVHOOKS_HOOK_NESTED, eight deep in itself:
 *                         what it made there was not traced
 */
#define UVHOOKS_COUNTER_MAP(XX)                                                                    \
	XX(untracked_callbacks)                                                                    \
	XX(recovered_callbacks)                                                                    \
	XX(foreign_leaves)                                                                         \
	XX(unwound_by_longjmp)                                                                     \
	XX(records_exhausted)                                                                      \
	XX(stack_exhausted)                                                                        \
	XX(contexts_exhausted)                                                                     \
	XX(spaces_exhausted)                                                                       \
	XX(forced_destroys)                                                                        \
	XX(other_libuvs)                                                                           \
	XX(missing_functions)                                                                      \
	XX(hooks_thrown)                                                                           \
	XX(plugins_failed)                                                                         \
	XX(unbind_failed)                                                                          \
	XX(unknown_senders)                                                                        \
	XX(patches_failed)                                                                         \
	XX(patches_refused)                                                                        \
	XX(notices_failed)                                                                         \
	XX(types_exhausted)                                                                        \
	XX(stores_exhausted)                                                                       \
	XX(pool_ends_missed)                                                                       \
	XX(invariants_broken)                                                                      \
	XX(hooks_too_deep)

struct uvhooks_counters {
	uint64_t size; /* set by the caller to sizeof(struct uvhooks_counters) */
#define XX(name) uint64_t name;
	UVHOOKS_COUNTER_MAP(XX)
#undef XX
};

/*
 * Copies the counters of this process. 0, -EINVAL for a size that is none, or
 * -ENOSYS if there is no shim.
 *
 * Thread: any, and in signal handlers. Since: 0.1.
 */
UVHOOKS_API int uvhooks_get_counters(struct uvhooks_counters *counters);

static inline bool uvhooks_present(void)
{
	return UVHOOKS_HAS(uvhooks_version);
}

/*
 * Without the shim. A macro of the function's own name, so that a call in a program reads as any
 * other, and the symbol keeps its name for who finds it with dlsym.
 */
#ifndef UVHOOKS_SHIM

static inline int uvhooks_bare_resource(struct uvhooks_resource *resource)
{
	const struct uvhooks_resource top_level = {
	    sizeof(top_level), UVHOOKS_NONE, UVHOOKS_FS_NONE, 0, 0, 0, NULL, NULL, NULL, 0, 0};

	if (resource == NULL || resource->size < sizeof(top_level))
		return -EINVAL;
	*resource = top_level;
	return 0;
}

#define uvhooks_version() (UVHOOKS_HAS(uvhooks_version) ? (uvhooks_version) () : "")
#define uvhooks_create_hook(...)                                                                   \
	(UVHOOKS_HAS(uvhooks_create_hook) ? (uvhooks_create_hook) (__VA_ARGS__) : NULL)
#define uvhooks_hook_enable(...)                                                                   \
	(UVHOOKS_HAS(uvhooks_hook_enable) ? (uvhooks_hook_enable) (__VA_ARGS__) : -ENOSYS)
#define uvhooks_hook_disable(...)                                                                  \
	(UVHOOKS_HAS(uvhooks_hook_disable) ? (uvhooks_hook_disable) (__VA_ARGS__) : -ENOSYS)
#define uvhooks_execution_async_id()                                                               \
	(UVHOOKS_HAS(uvhooks_execution_async_id) ? (uvhooks_execution_async_id) () : 0)
#define uvhooks_trigger_async_id()                                                                 \
	(UVHOOKS_HAS(uvhooks_trigger_async_id) ? (uvhooks_trigger_async_id) () : 0)
#define uvhooks_execution_async_resource(...)                                                      \
	(UVHOOKS_HAS(uvhooks_execution_async_resource)                                             \
	     ? (uvhooks_execution_async_resource) (__VA_ARGS__)                                    \
	     : uvhooks_bare_resource(__VA_ARGS__))
#define uvhooks_for_each_resource(...)                                                             \
	(UVHOOKS_HAS(uvhooks_for_each_resource) ? (uvhooks_for_each_resource) (__VA_ARGS__) : 0)
#define uvhooks_resource_state(...)                                                                \
	(UVHOOKS_HAS(uvhooks_resource_state) ? (uvhooks_resource_state) (__VA_ARGS__) : -ENOSYS)
#define uvhooks_for_each_libuv(...)                                                                \
	(UVHOOKS_HAS(uvhooks_for_each_libuv) ? (uvhooks_for_each_libuv) (__VA_ARGS__) : 0)
#define uvhooks_get_counters(...)                                                                  \
	(UVHOOKS_HAS(uvhooks_get_counters) ? (uvhooks_get_counters) (__VA_ARGS__) : -ENOSYS)
#endif

#ifdef __cplusplus
}
#endif

#endif
