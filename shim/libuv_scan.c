/* SPDX-License-Identifier: MIT */
/*
 * Finding the libuvs of the process. RTLD_NEXT is blind to one that was dlopened RTLD_LOCAL, as
 * every Python or Lua module does, and to one that a module hides. So the loaded objects are looked
 * through, at the start and whenever the loader has added some.
 *
 * The order of locks is the loader's, then ours: dlsym and dlopen are not called under ours, but
 * where the loader's is held already or nothing else runs.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "libuv.h"
#include "patch.h"
#include "way.h"

bool uvh_libuv_unsettled;
UVH_HOT bool uvh_depth_matters;

/* A libuv in the global scope: all calls through symbols are for it. */
static bool have_global;

static bool is_same(const struct uvh_object *one, const struct uvh_object *other)
{
	return one->low == other->low && one->high == other->high && one->dynamic == other->dynamic;
}

/* Does the object name this libuv among the libraries that it needs? */
static bool needs(const struct uvh_object *object, const struct uvh_object *libuv)
{
	const char *file = strrchr(libuv->path, '/');
	const ElfW(Dyn) * dynamic;

	file = file == NULL ? libuv->path : file + 1;
	if (file[0] == '\0')
		return false;
	for (dynamic = object->dynamic; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
		const char *needed = object->strings + dynamic->d_un.d_val;

		if (dynamic->d_tag == DT_NEEDED &&
		    (strcmp(needed, libuv->soname) == 0 || strcmp(needed, file) == 0 ||
		     strcmp(needed, libuv->path) == 0))
			return true;
	}
	return false;
}

const struct uvh_libuv *uvh_libuv_of_caller(uintptr_t address)
{
	struct uvh_object caller;
	size_t count = __atomic_load_n(&uvh_libuv_count, __ATOMIC_ACQUIRE);

	if (have_global)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (uvh_object_holds(&uvh_libuvs[i].object, address))
			return &uvh_libuvs[i];
	if (!uvh_object_at(&caller, address))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (needs(&caller, &uvh_libuvs[i].object))
			return &uvh_libuvs[i];
	return NULL;
}

/*
 * Every object that was there in the last look, by what it is and where. One that is new when the
 * loader notifies us has not run yet, so it may be patched whatever threads there are; one that
 * was there before may not.
 */
#define OBJECTS_MAX 4096

static struct {
	uintptr_t key[OBJECTS_MAX];
	uint32_t seen[OBJECTS_MAX]; /* in which look */
	uint32_t look;
	size_t count;
} objects;

/* False for what has no place: then it is old, the safe side. Two of one key are both old. */
static bool is_new(const struct uvh_object *object)
{
	uintptr_t key = object->low ^ (object->high << 7) ^ (uintptr_t) object->dynamic;
	size_t i;
	bool is;

	for (const char *c = object->path; *c != '\0'; c++)
		key = key * 31 + (unsigned char) *c;
	for (i = (key ^ key >> 20) % OBJECTS_MAX; objects.key[i] != key;
	     i = (i + 1) % OBJECTS_MAX) {
		if (objects.key[i] != 0)
			continue;
		if (objects.count == OBJECTS_MAX / 2)
			return false;
		objects.key[i] = key;
		objects.count++;
		break;
	}
	is = objects.seen[i] + 1 < objects.look || objects.seen[i] == 0;
	objects.seen[i] = objects.look;
	return is;
}

struct scan {
	enum uvh_scan when;
	struct uvh_object found[UVH_LIBUV_MAX];
	size_t count;
	bool still[UVH_LIBUV_MAX]; /* of those known: it is still there */
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct scan *scan = data;
	struct uvh_object object;
	bool new;

	(void) size;
	if (!uvh_object_read(&object, info) || uvh_is_shim(object.low))
		return 0;
	new = is_new(&object);
	for (size_t i = 0; i < uvh_libuv_count; i++) {
		if (is_same(&object, &uvh_libuvs[i].object)) {
			scan->still[i] = true;
			return 0;
		}
	}
	if (scan->when == UVH_SCAN_LATE && !new)
		return 0;
	/*
	 * Those that hide their symbols once only, since that reads their file; and not those that
	 * cannot hold a libuv, as that needs epoll of the C library.
	 */
	if (uvh_object_symbol(&object, "uv_run") == NULL &&
	    (!uvh_options.patch || !new || !uvh_object_imports(&object, "epoll_ctl")))
		return 0;
	if (scan->count < UVH_LIBUV_MAX && uvh_patch_is_libuv(&object))
		scan->found[scan->count++] = object;
	return 0;
}

/*
 * dlmopen makes namespaces of their own: nothing is preloaded into them, and their C library keeps
 * thread-specific data in the same places as ours. So a libuv there is left alone, and counted.
 * Only what the loader keeps for debuggers tells of them.
 */
#ifdef DLFO_STRUCT_HAS_EH_DBASE /* glibc 2.35 */

static const struct r_debug_extended *first_namespace;

static void find_namespaces(void)
{
	first_namespace = dlsym(RTLD_DEFAULT, "_r_debug");
}

/* dl_iterate_phdr calls it under the lock that the lists are changed under. */
static int count_apart(struct dl_phdr_info *info, size_t size, void *data)
{
	const struct r_debug_extended *space = first_namespace;

	(void) info;
	(void) size;
	if (space == NULL || space->base.r_version < 2)
		return 1;
	while ((space = space->r_next) != NULL)
		for (const struct link_map *map = space->base.r_map; map != NULL; map = map->l_next)
			*(size_t *) data += strstr(map->l_name, "/libuv.so") != NULL;
	return 1;
}

#else /* it does not tell */

static void find_namespaces(void)
{
}

static int count_apart(struct dl_phdr_info *info, size_t size, void *data)
{
	(void) info;
	(void) size;
	(void) data;
	return 1;
}

#endif

static void look_apart(void)
{
	static size_t counted;
	size_t count = 0;

	dl_iterate_phdr(count_apart, &count);
	for (; counted < count; counted++)
		uvh_count(UVH_COUNT_other_libuvs);
}

/* Changes whenever an object comes or goes. */
static int read_changes(struct dl_phdr_info *info, size_t size, void *data)
{
	(void) size;
	*(unsigned long long *) data = info->dlpi_adds + info->dlpi_subs;
	return 1;
}

/*
 * libuv sends only what is its own, and that tells when its thread pool has done something. And
 * what it calls of somebody else's, it calls with the shim as without.
 */
static bool is_kept_in(const char *name)
{
	return uvh_is_intercepted(name) && strcmp(name, "uv_async_send") != 0 &&
	       !uvh_is_shared(name);
}

/*
 * The ways in that need no patching, for one whose users are bound to the shim by symbols. They ask
 * in each wrapper, unless its own calls can be kept from arriving.
 */
static void use_symbols(struct uvh_libuv *libuv, bool alone)
{
	if (!alone || uvh_libuv_has_others()) {
		/* Its own calls and libuv's share one GOT; or they come by way of somebody else. */
		libuv->rule = UVH_RULE_DEPTH;
	} else if (!uvh_options.rebind) {
		libuv->rule = UVH_RULE_CALLER;
	} else if (uvh_object_rebind(&libuv->object, &libuv->object, is_kept_in)) {
		libuv->rule = UVH_RULE_UNBOUND;
	} else {
		libuv->rule = UVH_RULE_CALLER;
		uvh_count(UVH_COUNT_unbind_failed);
	}
	libuv->text_low = libuv->object.low;
	libuv->text_high = libuv->object.high;
	uvh_libuv_fill(libuv);
}

static void tell_unpatched(const struct uvh_object *object, const char *why)
{
	const bool launched = uvh_options.launched != 0 && uvh_options.launched == (long) getpid();

	uvh_count(UVH_COUNT_patches_failed);
	if (!uvh_options.verbose && !launched)
		return;
	uvh_message("libuv in %s cannot be patched: %s",
		    object->path[0] == '\0' ? "the program" : object->path, why);
	if (launched) /* that nothing was seen need not be said again at the end */
		uvh_options.launched = 0;
}

/* False if it has to wait until it is relocated, or cannot be traced at all. */
static bool adopt(const struct uvh_object *object, enum uvh_scan when)
{
	struct uvh_libuv *libuv = &uvh_libuvs[uvh_libuv_count];
	const struct uvh_way_facts facts = {
	    .program = object->path[0] == '\0',
	    .late = when == UVH_SCAN_LATE,
	    .exported = uvh_object_symbol(object, "uv_run") != NULL,
	    .alone = uvh_object_exports_only(object, "uv_"),
	    .first = uvh_libuv_count == 0,
	    .yields = have_global && uvh_object_asks_for(object, uvh_is_intercepted),
	};
	const char *why;

	/* What an entry held that was given up; its table is filled below. */
	libuv->patched = libuv->refused = 0;
	libuv->settled = false;
	libuv->object = *object;
	libuv->object.path = uvh_keep_text(object->path, strlen(object->path));
	if (libuv->object.path == NULL)
		libuv->object.path = "";
	switch (uvh_way_in(&facts)) {
	case UVH_WAY_SYMBOLS:
		use_symbols(libuv, facts.alone);
		break;
	case UVH_WAY_PATCH:
		/* Before the first jump is written: calls may follow it at once. */
		__atomic_store_n(&uvh_depth_matters, true, __ATOMIC_RELEASE);
		libuv->rule = UVH_RULE_PATCHED;
		why = uvh_libuv_patch(libuv, when);
		if (why == NULL)
			break;
		if (uvh_options.patch)
			tell_unpatched(object, why);
		if (facts.program || !facts.exported || when == UVH_SCAN_LATE)
			return false;
		if (facts.first) {
			use_symbols(libuv, facts.alone);
		} else {
			libuv->rule = UVH_RULE_UNTRACED;
			uvh_count(UVH_COUNT_other_libuvs);
			uvh_libuv_fill(libuv);
		}
		break;
	case UVH_WAY_NONE:
		return true;
	}
	uvh_libuv_unsettled = true;
	__atomic_store_n(&uvh_libuv_count, uvh_libuv_count + 1, __ATOMIC_RELEASE);
	return true;
}

/* One whose loading failed after we had seen it: nothing of it has run. */
static void forget_gone(const struct scan *scan)
{
	while (uvh_libuv_count > 0 && !uvh_libuvs[uvh_libuv_count - 1].settled &&
	       !scan->still[uvh_libuv_count - 1])
		__atomic_store_n(&uvh_libuv_count, uvh_libuv_count - 1, __ATOMIC_RELEASE);
}

/* Those in the global scope come first: calls through symbols are for them. */
static bool adopt_all(struct scan *scan, uintptr_t global, enum uvh_scan when)
{
	bool all = true;

	for (size_t i = 0; i < scan->count && uvh_libuv_count == 0; i++)
		if (uvh_object_holds(&scan->found[i], global)) {
			have_global = true;
			all &= adopt(&scan->found[i], when);
			scan->found[i].low = 0;
		}
	for (size_t i = 0; i < scan->count; i++) {
		if (scan->found[i].low == 0)
			continue;
		if (uvh_libuv_count < UVH_LIBUV_MAX)
			all &= adopt(&scan->found[i], when);
		else
			uvh_count(UVH_COUNT_other_libuvs);
	}
	return all;
}

bool uvh_libuv_scan(enum uvh_scan when)
{
	static unsigned long long seen_changes;
	static struct scan scan;
	static bool scanning;
	unsigned long long changes = 0;
	uintptr_t global = 0;
	size_t before;
	int saved_errno = errno;

	dl_iterate_phdr(read_changes, &changes);
	if (changes == __atomic_load_n(&seen_changes, __ATOMIC_ACQUIRE))
		return false;
	if (when == UVH_SCAN_START) {
		global = uvh_libuv_look_for_others();
		find_namespaces();
	}
	uvh_lock();
	before = uvh_libuv_count;
	/* To load the patch engine is to be notified again. */
	if (changes != seen_changes && !scanning) {
		scanning = true;
		memset(&scan, 0, sizeof(scan));
		scan.when = when;
		objects.look++;
		dl_iterate_phdr(look_at_object, &scan);
		look_apart();
		forget_gone(&scan);
		if (before > uvh_libuv_count)
			before = uvh_libuv_count;
		/* What could not be patched now is looked at again when it is relocated. */
		if (adopt_all(&scan, global, when) || when == UVH_SCAN_START)
			__atomic_store_n(&seen_changes, changes, __ATOMIC_RELEASE);
		scanning = false;
	}
	before = uvh_libuv_count - before;
	uvh_unlock();
	errno = saved_errno;
	return before > 0;
}

/* Binds an object's calls straight to one of the other libuvs, if it is one of those it uses. */
static int bind_to_other(struct dl_phdr_info *info, size_t size, void *data)
{
	struct uvh_object object;

	(void) size;
	(void) data;
	if (!uvh_object_read(&object, info) || uvh_is_shim(object.low))
		return 0;
	for (size_t i = 1; i < uvh_libuv_count; i++)
		if (object.low == uvh_libuvs[i].object.low || needs(&object, &uvh_libuvs[i].object))
			uvh_object_rebind(&object, &uvh_libuvs[i].object, uvh_is_intercepted);
	return 0;
}

/*
 * A plugin host may close and reopen its modules, and our table points into this one: from now on
 * it stays.
 */
static void pin(const struct uvh_libuv *libuv)
{
	if (libuv->object.path[0] != '\0')
		dlopen(libuv->object.path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static const char *rule_text(enum uvh_rule rule)
{
	switch (rule) {
	case UVH_RULE_UNBOUND:
		return "called through symbols; its own calls are hidden by its GOT";
	case UVH_RULE_CALLER:
		return "called through symbols; its own calls are told by their caller";
	case UVH_RULE_DEPTH:
		return "called through symbols, beside others; its own calls are told by depth";
	case UVH_RULE_PATCHED:
		return "patched";
	case UVH_RULE_UNTRACED:
		return "NOT TRACED, since another libuv is";
	}
	return "";
}

static void describe(const struct uvh_libuv *libuv)
{
	const char *version = libuv->real.uv_version_string();

	uvh_message("libuv %s in %s: %zu functions found, %zu patched, %zu left alone; %s",
		    version == NULL ? "of a version that it does not tell" : version,
		    libuv->object.path[0] == '\0' ? "the program" : libuv->object.path,
		    libuv->functions, libuv->patched, libuv->refused, rule_text(libuv->rule));
}

void uvh_libuv_settle(void)
{
	size_t count = __atomic_load_n(&uvh_libuv_count, __ATOMIC_ACQUIRE);
	int saved_errno = errno;

	if (!__atomic_exchange_n(&uvh_libuv_unsettled, false, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < count; i++)
		if (!uvh_libuvs[i].settled)
			pin(&uvh_libuvs[i]);
	uvh_lock();
	for (size_t i = 0; i < count; i++) {
		struct uvh_libuv *libuv = &uvh_libuvs[i];

		/*
		 * So that they pass its entries, where they are told from the program's. Not those
		 * of one that yields to a libuv in the global scope.
		 */
		if (!libuv->settled && libuv->rule == UVH_RULE_PATCHED &&
		    (i == 0 || !have_global) &&
		    !uvh_object_rebind(&libuv->object, &libuv->object, is_kept_in)) {
			uvh_count(UVH_COUNT_unbind_failed);
			libuv->rule = UVH_RULE_CALLER;
		}
	}
	if (count > 1 && !have_global)
		dl_iterate_phdr(bind_to_other, NULL);
	uvh_unlock();
	for (size_t i = 0; i < count; i++) {
		if (!uvh_libuvs[i].settled && uvh_options.verbose)
			describe(&uvh_libuvs[i]);
		uvh_libuvs[i].settled = true;
	}
	errno = saved_errno;
}
