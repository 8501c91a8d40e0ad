/* SPDX-License-Identifier: MIT */
/*
 * RTLD_NEXT is blind to a libuv that was dlopened RTLD_LOCAL, as every Python or Lua module does.
 * So the loaded objects are searched for the one that defines the functions.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "libuv.h"

/*
 * What stands in for a function that is not there: it is counted, and fails as libuv does for what
 * a platform lacks. Both are called through other prototypes, which the ABI lets pass: the
 * arguments are ignored, and an int or a pointer comes back in the same register.
 */
static intptr_t missing_function(void)
{
	uvh_count(UVH_COUNT_missing_functions);
	return UV_ENOSYS;
}

static void *missing_loop(void)
{
	uvh_count(UVH_COUNT_missing_functions);
	return NULL;
}

static int missing_predicate(void)
{
	return 0;
}

/* The table as (offset, name), for the resolver and for `uvh_is_intercepted`. */
static const struct {
	const char *name;
	size_t offset;
	bool intercepted;
} functions[] = {
#define HOOK(function, file, since) {#function, offsetof(struct uvh_real, function), true},
#define CALL(function, why)         {#function, offsetof(struct uvh_real, function), false},
#include "hooks.def"
};

#define FUNCTION_COUNT (sizeof(functions) / sizeof(functions[0]))

_Static_assert(sizeof(struct uvh_real) == FUNCTION_COUNT * sizeof(void *), "pointers only");

/*
 * The first entry is usable before any constructor has run, so that a wrapper never meets NULL.
 */
struct uvh_libuv uvh_libuvs[UVH_LIBUV_MAX] = {{.real = {
#define HOOK(function, file, since) .function = (__typeof__(&(function))) (void *) missing_function,
#define CALL(function, why)         .function = (__typeof__(&(function))) (void *) missing_predicate,
#include "hooks.def"
					       }}};
size_t uvh_libuv_count;

bool uvh_is_intercepted(const char *name)
{
	if (strncmp(name, "uv_", 3) != 0)
		return false;
	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		if (functions[i].intercepted && strcmp(functions[i].name, name) == 0)
			return true;
	return false;
}

bool uvh_is_shim(uintptr_t address)
{
	extern const char __ehdr_start __attribute__((visibility("hidden")));
	extern const char etext __attribute__((visibility("hidden")));

	return address >= (uintptr_t) &__ehdr_start && address < (uintptr_t) &etext;
}

static void fill_table(struct uvh_libuv *libuv)
{
	char *table = (char *) &libuv->real;
	void *no_loop = (void *) missing_loop;

	libuv->functions = 0;
	for (size_t i = 0; i < FUNCTION_COUNT; i++) {
		void *real = uvh_object_function(&libuv->object, functions[i].name);

		if (real != NULL)
			libuv->functions++;
		else if (strcmp(functions[i].name, "uv_default_loop") == 0 ||
			 strcmp(functions[i].name, "uv_loop_new") == 0)
			real = no_loop;
		else
			real = functions[i].intercepted ? (void *) missing_function
							: (void *) missing_predicate;
		/* A thread may be in a wrapper already: each entry changes by one store. */
		__atomic_store_n((void **) (table + functions[i].offset), real, __ATOMIC_RELEASE);
	}
}

/* What a walk over the loaded objects is for. */
struct scan {
	struct uvh_object found[UVH_LIBUV_MAX];
	size_t count;
};

static bool is_known(const struct uvh_object *object)
{
	for (size_t i = 0; i < uvh_libuv_count; i++)
		if (uvh_libuvs[i].object.low == object->low)
			return true;
	return false;
}

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct scan *scan = data;
	struct uvh_object object;

	(void) size;
	/* The program's own symbols come before the shim's: such calls never arrive. */
	if (info->dlpi_name == NULL || info->dlpi_name[0] == '\0')
		return 0;
	if (!uvh_object_read(&object, info) || uvh_is_shim(object.low) || is_known(&object) ||
	    uvh_object_function(&object, "uv_run") == NULL ||
	    uvh_object_function(&object, "uv_loop_init") == NULL)
		return 0;
	if (scan->count < UVH_LIBUV_MAX)
		scan->found[scan->count++] = object;
	return 0;
}

static int read_adds(struct dl_phdr_info *info, size_t size, void *data)
{
	(void) size;
	*(unsigned long long *) data = info->dlpi_adds;
	return 1;
}

/* Does the object name this libuv among the libraries that it needs? */
static bool needs(const struct uvh_object *object, const struct uvh_object *libuv)
{
	const char *file = strrchr(libuv->path, '/');
	const ElfW(Dyn) * dynamic;

	file = file == NULL ? libuv->path : file + 1;
	for (dynamic = object->dynamic; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
		const char *needed = object->strings + dynamic->d_un.d_val;

		if (dynamic->d_tag == DT_NEEDED &&
		    (strcmp(needed, libuv->soname) == 0 || strcmp(needed, file) == 0 ||
		     strcmp(needed, libuv->path) == 0))
			return true;
	}
	return false;
}

static bool holds(const struct uvh_object *object, uintptr_t address)
{
	return address >= object->low && address < object->high;
}

const struct uvh_libuv *uvh_libuv_of_caller(uintptr_t address)
{
	struct uvh_object caller;
	size_t count = __atomic_load_n(&uvh_libuv_count, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < count; i++)
		if (holds(&uvh_libuvs[i].object, address))
			return &uvh_libuvs[i];
	if (!uvh_object_at(&caller, address))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (needs(&caller, &uvh_libuvs[i].object))
			return &uvh_libuvs[i];
	return NULL;
}

/* Binds an object's calls straight to a libuv that is not traced, if it is one of those it uses. */
static int bind_past_us(struct dl_phdr_info *info, size_t size, void *data)
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

/* Is it in the global scope, where it comes before whatever a module brings along? */
static bool is_global(const struct uvh_object *object)
{
	void *next = dlsym(RTLD_NEXT, "uv_run");

	if (next == NULL)
		dlerror(); /* the program shall not find our failure there */
	return next != NULL && holds(object, (uintptr_t) next);
}

static void adopt(const struct uvh_object *object)
{
	struct uvh_libuv *libuv = &uvh_libuvs[uvh_libuv_count];
	bool first = uvh_libuv_count == 0;

	libuv->object = *object;
	libuv->object.path = uvh_keep_text(object->path, strlen(object->path));
	if (libuv->object.path == NULL)
		libuv->object.path = "";
	if (!first) {
		libuv->rule = UVH_RULE_UNTRACED;
		uvh_count(UVH_COUNT_other_libuvs);
	} else if (!uvh_object_exports_only(object, "uv_")) {
		/* A plugin with a libuv inside: its own calls and libuv's share one GOT. */
		libuv->rule = UVH_RULE_DEPTH;
	} else if (!uvh_options.rebind) {
		libuv->rule = UVH_RULE_CALLER;
	} else if (uvh_object_rebind(object, object, uvh_is_intercepted)) {
		libuv->rule = UVH_RULE_UNBOUND;
	} else {
		libuv->rule = UVH_RULE_CALLER;
		uvh_count(UVH_COUNT_unbind_failed);
	}
	fill_table(libuv);
	__atomic_store_n(&uvh_libuv_count, uvh_libuv_count + 1, __ATOMIC_RELEASE);
}

/*
 * A plugin host may close and reopen its modules, and our table points into this one: from now on
 * it stays. Outside the lock, since dlopen takes the loader's.
 */
static void pin(const struct uvh_libuv *libuv)
{
	if (libuv->object.path[0] != '\0')
		dlopen(libuv->object.path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

bool uvh_libuv_scan(void)
{
	static unsigned long long seen_adds;
	static struct scan scan;
	static bool global;
	unsigned long long adds = 0;
	size_t first = UVH_LIBUV_MAX;
	int saved_errno = errno;

	dl_iterate_phdr(read_adds, &adds);
	if (adds == __atomic_load_n(&seen_adds, __ATOMIC_ACQUIRE))
		return false;
	uvh_lock();
	/* Beside a libuv in the global scope no other one is ever called through us. */
	if (adds != seen_adds && !global) {
		first = uvh_libuv_count;
		scan.count = 0;
		dl_iterate_phdr(look_at_object, &scan);
		for (size_t i = 0; i < scan.count && first == 0 && !global; i++) {
			global = is_global(&scan.found[i]);
			if (global)
				adopt(&scan.found[i]);
		}
		for (size_t i = 0; i < scan.count && !global; i++)
			if (uvh_libuv_count < UVH_LIBUV_MAX)
				adopt(&scan.found[i]);
		if (uvh_libuv_count > 1)
			dl_iterate_phdr(bind_past_us, NULL);
	}
	/* Pinning adds no objects, so this stays the count of what was seen. */
	__atomic_store_n(&seen_adds, adds, __ATOMIC_RELEASE);
	uvh_unlock();
	for (size_t i = first; i < uvh_libuv_count; i++)
		pin(&uvh_libuvs[i]);
	errno = saved_errno;
	return first < uvh_libuv_count;
}

void uvh_shim_folder(char *folder, size_t bytes)
{
	struct uvh_object self;
	const char *slash;

	folder[0] = '\0';
	if (!uvh_object_at(&self, (uintptr_t) uvh_shim_folder))
		return;
	slash = strrchr(self.path, '/');
	if (slash == NULL || (size_t) (slash - self.path) >= bytes)
		return;
	memcpy(folder, self.path, (size_t) (slash - self.path));
	folder[slash - self.path] = '\0';
}
