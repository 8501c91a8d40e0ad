/* SPDX-License-Identifier: MIT */
/*
 * A program that works, and that something goes wrong with. Each word is done in its turn:
 *
 *	work=NUMBER   so many callbacks of a timer, with all that they cause
 *	memory        the second time, and from then on, tells whether the process has grown
 *
 * and those of ends.c, processes.c, limits.c and threads.c. In the end it closes its loop and
 * prints how many descriptors and threads it has.
 */
#include "faults.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>

static struct faults_count no_file;
struct faults_count *faults_count = &no_file;
struct faults_load faults_load;
char **faults_argv;

void faults_called(void)
{
	/* In libuv it is 0, at top level 1, in both of which no callback runs. */
	if (uvhooks_present() && uvhooks_id_sequence(uvhooks_execution_async_id()) < 2)
		atomic_fetch_add(&faults_count->untraced, 1);
	atomic_fetch_add(&faults_count->callbacks, 1);
}

unsigned long faults_number(const char *value)
{
	char *end;
	const unsigned long number = strtoul(value, &end, 10);

	CHECK(*value != '\0' && *end == '\0');
	return number;
}

static void open_count(void)
{
	const char *path = getenv("FAULTS_COUNT");
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	CHECK(fd >= 0 && ftruncate(fd, sizeof(*faults_count)) == 0);
	faults_count = mmap(NULL, sizeof(*faults_count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(faults_count != MAP_FAILED && close(fd) == 0);
}

static void add_counters(void)
{
	struct uvhooks_counters counters = {.size = sizeof(counters)};

	if (!uvhooks_present())
		return;
	CHECK_OK(uvhooks_get_counters(&counters));
#define XX(name) atomic_fetch_add(&faults_count->lost, counters.name);
	UVHOOKS_COUNTER_MAP(XX)
#undef XX
}

/* How many entries the folder has; with `except`, one that leads there is not counted. */
static unsigned int count_entries(const char *path, const char *except)
{
	unsigned int count = 0;
	struct dirent *entry;
	char target[512];
	DIR *dir = opendir(path);

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		ssize_t bytes = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[bytes > 0 ? bytes : 0] = '\0';
		if (except != NULL && strncmp(target, except, strlen(except)) == 0)
			except = NULL;
		else if (entry->d_name[0] != '.')
			count++;
	}
	CHECK(closedir(dir) == 0);
	return count;
}

/* A thread that was joined may be there for a moment yet: it has PF_EXITING, or goes meanwhile. */
static bool is_ending(int tasks, const char *thread)
{
	char path[300], text[1024], *at;
	unsigned int flags;
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", thread);
	fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
	bytes = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[bytes > 0 ? bytes : 0] = '\0';
	at = strrchr(text, ')');
	return at == NULL || sscanf(at, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1 ||
	       (flags & 4) != 0;
}

unsigned int faults_thread_count(void)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/task");

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.' && !is_ending(dirfd(dir), entry->d_name);
	CHECK(closedir(dir) == 0);
	return count;
}

static unsigned long pages(void)
{
	unsigned long count;
	FILE *file = fopen("/proc/self/statm", "re");

	CHECK(file != NULL && fscanf(file, "%lu", &count) == 1 && fclose(file) == 0);
	return count;
}

/* A thread's stack that is kept for the next one, and no more. */
#define PAGES_ALLOWED 64

static void look_at_memory(const char *value)
{
	static unsigned long before;
	const unsigned long now = pages();

	(void) value;
	if (before == 0)
		before = now;
	else if (now <= before + PAGES_ALLOWED)
		printf("not grown\n");
	else
		printf("grown by %lu pages\n", now - before);
}

static void work(const char *value)
{
	faults_open(&faults_load);
	faults_work(&faults_load, faults_number(value));
	printf("%s callbacks of the timer\n", value);
}

static const struct faults_word plain_words[] = {
    {"work", work},
    {"memory", look_at_memory},
    {NULL, NULL},
};

static void do_word(const char *word)
{
	static const struct faults_word *const tables[] = {
	    plain_words, faults_ends, faults_processes, faults_limits, faults_threads,
	};
	const size_t bytes = strcspn(word, "=");

	for (size_t i = 0; i < COUNT(tables); i++)
		for (const struct faults_word *known = tables[i]; known->name != NULL; known++)
			if (strlen(known->name) == bytes && memcmp(known->name, word, bytes) == 0) {
				known->inflict(word[bytes] == '=' ? word + bytes + 1 : "");
				return;
			}
	fprintf(stderr, "faults: there is no word '%s'\n", word);
	exit(2);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	open_count();
	if (argc < 2)
		work("100");
	for (faults_argv = argv + 1; *faults_argv != NULL;)
		do_word(*faults_argv++);
	if (faults_load.is_open)
		faults_close(&faults_load);
	add_counters();
	/* One descriptor is the log plugin's. */
	printf("%u descriptors, %u threads\n", count_entries("/proc/self/fd", getenv("FAULTS_LOG")),
	       faults_thread_count());
	return 0;
}
