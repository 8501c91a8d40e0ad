/* SPDX-License-Identifier: MIT */
/* The functions of a libuv: where they are, and what stands in for those that are not there. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "entry.h"
#include "libuv.h"
#include "patch.h"
#include "text.h"

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

/* The table of the real functions, in its order, for the resolver and for `uvh_is_intercepted`. */
static const struct {
	const char *name;
	void *wrapper; /* ours; NULL: it is not intercepted */
} functions[] = {
#define HOOK(function, file, since) {#function, (void *) function},
#define CALL(function, why)         {#function, NULL},
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

/* The number of an intercepted function; FUNCTION_COUNT: it is none. */
static size_t number_of(const char *name)
{
	size_t i = 0;

	if (strncmp(name, "uv_", 3) != 0)
		return FUNCTION_COUNT;
	while (i < FUNCTION_COUNT &&
	       (functions[i].wrapper == NULL || strcmp(functions[i].name, name) != 0))
		i++;
	return i;
}

bool uvh_is_intercepted(const char *name)
{
	return number_of(name) < FUNCTION_COUNT;
}

/*
 * Who else intercepts a function: the program itself, or another preloaded library. Calls through
 * symbols come to it before they come to us, or ours go to it; so do libuv's own.
 */
static struct {
	bool before;
	void *behind;
} others[FUNCTION_COUNT];

static bool any_others;

/* A function that nobody has a reason to intercept tells where libuvs are. */
static bool find_anchor(void *scope, struct uvh_object *object)
{
	void *found = dlsym(scope, "uv_version_string");

	return found != NULL && uvh_object_at(object, (uintptr_t) found);
}

/* `next` is the libuv that calls through symbols are for; all zero if there is none. */
static void find_others(const struct uvh_object *next)
{
	struct uvh_object first = {0};

	find_anchor(RTLD_DEFAULT, &first);
	for (size_t i = 0; i < FUNCTION_COUNT; i++) {
		const char *name = functions[i].name;
		uintptr_t found =
		    functions[i].wrapper == NULL ? 0 : (uintptr_t) dlsym(RTLD_DEFAULT, name);

		others[i].before = found != 0 && !uvh_is_shim(found) &&
				   !uvh_object_holds(&first, found) &&
				   !uvh_object_holds(next, found);
		found = found == 0 || next->low == 0 ? 0 : (uintptr_t) dlsym(RTLD_NEXT, name);
		others[i].behind = uvh_object_holds(next, found) ? NULL : (void *) found;
		any_others |= others[i].before || others[i].behind != NULL;
	}
}

uintptr_t uvh_libuv_look_for_others(void)
{
	static bool looked;
	struct uvh_object next = {0};

	find_anchor(RTLD_NEXT, &next);
	if (!looked)
		find_others(&next);
	looked = true;
	dlerror(); /* the program shall not find our failure there */
	return next.low;
}

bool uvh_libuv_has_others(void)
{
	return any_others;
}

bool uvh_is_shared(const char *name)
{
	size_t i = number_of(name);

	return i < FUNCTION_COUNT && (others[i].before || others[i].behind != NULL);
}

bool uvh_is_shim(uintptr_t address)
{
	extern const char __ehdr_start __attribute__((visibility("hidden")));
	extern const char etext __attribute__((visibility("hidden")));

	return address >= (uintptr_t) &__ehdr_start && address < (uintptr_t) &etext;
}

/* What stands in the table for a function: what was found, or what stands in for it. */
static void fill_entry(struct uvh_libuv *libuv, size_t i, void *found)
{
	const char *name = functions[i].name;

	if (found != NULL)
		libuv->functions++;
	else if (strcmp(name, "uv_default_loop") == 0 || strcmp(name, "uv_loop_new") == 0)
		found = (void *) missing_loop;
	else if (functions[i].wrapper != NULL)
		found = (void *) missing_function;
	else
		found = (void *) missing_predicate;
	/* A thread may be in a wrapper already: each entry changes by one store. */
	__atomic_store_n((void **) &libuv->real + i, found, __ATOMIC_RELEASE);
}

void uvh_libuv_fill(struct uvh_libuv *libuv)
{
	libuv->functions = 0;
	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		fill_entry(libuv, i,
			   libuv == &uvh_libuvs[0] && others[i].behind != NULL
			       ? others[i].behind
			       : uvh_object_function(&libuv->object, functions[i].name));
}

static const void *entry_of(const void *wrapper)
{
	if (wrapper == (void *) uv_async_send)
		return uvh_entry_send;
	return wrapper == (void *) uv_close ? uvh_entry_close : uvh_entry;
}

const char *uvh_libuv_patch(struct uvh_libuv *libuv, enum uvh_scan when)
{
	static struct uvh_patch_function wanted[FUNCTION_COUNT];
	struct uvh_patch job = {
	    .object = &libuv->object,
	    .functions = wanted,
	    .count = FUNCTION_COUNT,
	    .libuv = (uint8_t) (libuv - uvh_libuvs),
	};
	const struct uvh_patch_engine *engine;
	const char *why;

	if (!uvh_options.patch)
		return "UVHOOKS_PATCH=0 forbids it";
	if (when == UVH_SCAN_START && !uvh_is_single_threaded())
		return "other threads run already";
	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		wanted[i] = (struct uvh_patch_function){
		    .name = functions[i].name,
		    .wrapper = functions[i].wrapper,
		    .entry = entry_of(functions[i].wrapper),
		};
	if (!uvh_patch_find(&job))
		return "its functions were not found";
	engine = uvh_patch_engine_load(&why);
	if (engine == NULL)
		return why;
	why = uvh_patch_apply(&job, engine);
	if (why != NULL)
		return why;
	libuv->functions = 0;
	libuv->patched = job.done;
	libuv->refused = job.refused;
	libuv->text_low = job.text_low;
	libuv->text_high = job.text_low + job.text_bytes;
	for (size_t i = 0; i < FUNCTION_COUNT; i++) {
		fill_entry(libuv, i, wanted[i].real);
		if (wanted[i].refused != NULL && uvh_options.verbose)
			uvh_message("%s is left alone: %s", wanted[i].name, wanted[i].refused);
	}
	for (size_t i = 0; i < job.refused; i++)
		uvh_count(UVH_COUNT_patches_refused);
	return NULL;
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

size_t uvhooks_for_each_libuv(uvhooks_libuv_cb callback, void *data)
{
	const size_t known = __atomic_load_n(&uvh_libuv_count, __ATOMIC_ACQUIRE);
	size_t count = 0;

	for (size_t i = 0; callback != NULL && i < known; i++) {
		const struct uvh_libuv *libuv = &uvh_libuvs[i];
		struct uvhooks_libuv told = {.size = sizeof(told), .path = libuv->object.path};
		int version;

		/* Before that nothing of it may be called. */
		if (!libuv->settled || libuv->rule == UVH_RULE_UNTRACED)
			continue;
		version = (int) libuv->real.uv_version();
		told.version = version > 0 ? (uint32_t) version : 0;
		callback(&told, data);
		count++;
	}
	return count;
}
