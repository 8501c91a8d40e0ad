/* SPDX-License-Identifier: MIT */
/*
 * What the programs of rule S26 share: stores that know how often they were released, and what the
 * callbacks saw of them.
 *
 * Bare, nothing is carried from where a resource is made to where its callback runs. So a program
 * prints what is the same in both ways, and says with SEES what a callback must see if the shim is
 * there. How often each function did that is written to the file which UVHOOKS_TEST_SIGHTINGS
 * names, so that a test can ask whether they were called at all.
 */
#ifndef STORES_H
#define STORES_H

#include "program.h"

#include <pthread.h>
#include <uvhooks/local_storage.h>

struct store {
	const char *name;
	int released; /* atomic */
};

/* The release function of most storages. */
HELPER void release_store(void *data)
{
	struct store *store = (struct store *) data;

	__atomic_add_fetch(&store->released, 1, __ATOMIC_ACQ_REL);
}

HELPER int times_released(const struct store *store)
{
	return __atomic_load_n(&store->released, __ATOMIC_ACQUIRE);
}

HELPER const char *name_of(const void *store)
{
	return store == NULL ? "none" : ((const struct store *) store)->name;
}

struct sighting {
	const char *function;
	unsigned long count;
};

__attribute__((unused)) static struct sighting sightings[64];
__attribute__((unused)) static pthread_mutex_t sightings_lock = PTHREAD_MUTEX_INITIALIZER;

HELPER void note_sighting(const char *function)
{
	size_t at = 0;

	pthread_mutex_lock(&sightings_lock);
	while (at < 64 && sightings[at].function != NULL &&
	       strcmp(sightings[at].function, function) != 0)
		at++;
	CHECK(at < 64);
	sightings[at].function = function;
	sightings[at].count++;
	pthread_mutex_unlock(&sightings_lock);
}

HELPER void check_sight(const char *file, int line, const char *function, const void *seen,
			const void *expected)
{
	if (!uvhooks_present())
		return;
	if (seen != expected) {
		fflush(stdout);
		fprintf(stderr, "%s:%d: %s sees %s, not %s\n", file, line, function, name_of(seen),
			name_of(expected));
		_exit(1);
	}
	note_sighting(function);
}

/* With the shim the current store is this one. */
#define SEES(storage, expected)                                                                    \
	check_sight(__FILE__, __LINE__, __func__, uvhooks_local_storage_get_store(storage),        \
		    expected)

/* In both ways it is. */
#define HAS(storage, expected)                                                                     \
	do {                                                                                       \
		const void *has_ = uvhooks_local_storage_get_store(storage);                       \
                                                                                                   \
		if (has_ != (expected)) {                                                          \
			fflush(stdout);                                                            \
			fprintf(stderr, "%s:%d: %s has %s, not %s\n", __FILE__, __LINE__,          \
				__func__, name_of(has_), name_of(expected));                       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* So many times it was released, with the shim. */
#define RELEASED(store, times)                                                                     \
	do {                                                                                       \
		if (uvhooks_present()) {                                                           \
			CHECK_RESULT(times_released(store), times);                                \
			note_sighting(__func__);                                                   \
		}                                                                                  \
	} while (0)

HELPER void report_sightings(void)
{
	const char *path = getenv("UVHOOKS_TEST_SIGHTINGS");
	FILE *file;

	if (path == NULL)
		return;
	file = fopen(path, "we");
	CHECK(file != NULL);
	for (size_t i = 0; i < 64 && sightings[i].function != NULL; i++)
		fprintf(file, "%s %lu\n", sightings[i].function, sightings[i].count);
	CHECK(fclose(file) == 0);
}

HELPER int play_and_report(const struct scene *scenes, size_t count, int argc, char **argv)
{
	int status = play_scenes(scenes, count, argc, argv);

	report_sightings();
	return status;
}

#define PLAY_AND_REPORT(scenes) play_and_report(scenes, COUNT(scenes), argc, argv)

#endif
