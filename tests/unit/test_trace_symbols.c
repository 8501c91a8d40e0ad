/* SPDX-License-Identifier: MIT */
/*
 * The names that the tools find in files are held against those that the log plugin finds in the
 * process: this one, in which both run.
 *
 * The log plugin remembers no more than some hundred names and then takes no more trouble; so each
 * child asks for a few.
 */
#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shim/plugins/log.h"
#include "../../tools/trace_symbols.h"
#include "check.h"

#define OBJECTS  64
#define CHILDREN 24
#define ASKED    150 /* few enough for the log plugin to remember: it names no others */

struct object {
	struct uvh_trace_library library;
	uint64_t code_begin;
	uint64_t code_end;
	char path[PATH_MAX];
};

static struct object objects[OBJECTS];
static size_t object_count;

static void read_build_id(struct object *object, const char *notes, size_t bytes)
{
	for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= bytes;) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *) (notes + at);
		const char *name = (const char *) (note + 1);
		const char *value = name + ((note->n_namesz + 3) & ~3u);

		if (note->n_type == NT_GNU_BUILD_ID && memcmp(name, "GNU", 4) == 0 &&
		    note->n_descsz <= UVH_BUILD_ID_BYTES)
			memcpy(object->library.build_id, value, note->n_descsz);
		at = (size_t) (value - notes) + ((note->n_descsz + 3) & ~3u);
	}
}

static int read_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct object *object = &objects[object_count];
	bool program = info->dlpi_name[0] == '\0';

	(void) size;
	(void) data;
	if (object_count == OBJECTS)
		return 1;
	object_count++;
	if (program)
		CHECK(readlink("/proc/self/exe", object->path, PATH_MAX - 1) > 0);
	else
		snprintf(object->path, PATH_MAX, "%s", info->dlpi_name);
	object->library = (struct uvh_trace_library){
	    .begin = UINT64_MAX, .bias = info->dlpi_addr, .path = object->path};
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uint64_t begin = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_NOTE && segment->p_align <= 4)
			read_build_id(object, (const char *) begin, segment->p_memsz);
		if (segment->p_type != PT_LOAD)
			continue;
		if (begin < object->library.begin)
			object->library.begin = begin;
		object->library.end = begin + segment->p_memsz;
		if (segment->p_flags & PF_X) {
			object->code_begin = begin;
			object->code_end = begin + segment->p_memsz;
		}
	}
	return 0;
}

static struct uvh_trace_symbols *open_symbols(void)
{
	struct uvh_trace_symbols *symbols = uvh_trace_symbols_open();

	for (size_t i = 0; i < object_count; i++)
		CHECK_EQUAL(uvh_trace_symbols_add(symbols, &objects[i].library), 0);
	return symbols;
}

static bool equal(const char *one, const char *other)
{
	if (strcmp(one, other) == 0)
		return true;
	printf("%s, not %s\n", one, other);
	return false;
}

/* How many of the addresses both have a name for. */
static unsigned int compare(struct uvh_trace_symbols *symbols, uint64_t address)
{
	char buffer[LOG_SYMBOL_BYTES];
	const char *logged = log_symbol((void *) (uintptr_t) address, buffer);
	const char *named = uvh_trace_symbols_name(symbols, address);

	/* A debug file knows names that nothing in the process knows. */
	if (strstr(logged, ".so") != NULL && strchr(logged, '+') != NULL &&
	    strncmp(named, logged, strcspn(logged, "+")) != 0)
		return 0;
	CHECK(equal(named, logged));
	CHECK(uvh_trace_symbols_name(symbols, address) == named);
	return strstr(logged, ".so") == NULL;
}

/* Anywhere in the code, and, as callbacks do, where functions begin. */
static void test_names(unsigned int seed)
{
	struct uvh_trace_symbols *symbols = open_symbols();
	unsigned int named = 0;

	srandom(seed);
	for (unsigned int i = 0; i < ASKED; i++) {
		const struct object *object = &objects[i % object_count];
		uint64_t size = object->code_end - object->code_begin;
		uint64_t address = object->code_begin + (size ? (uint64_t) random() % size : 0);
		const char *plus;

		named += compare(symbols, address);
		plus = strchr(uvh_trace_symbols_name(symbols, address), '+');
		if (plus != NULL)
			named += compare(symbols, address - strtoull(plus + 1, NULL, 16));
	}
	CHECK(named > ASKED / 10);
	uvh_trace_symbols_close(symbols);
}

static void test_names_in_children(void)
{
	for (unsigned int seed = 1; seed <= CHILDREN; seed++) {
		int status = -1;
		pid_t child = fork();

		if (child == 0) {
			test_names(seed);
			fflush(stdout);
			_exit(failures != 0);
		}
		CHECK(child > 0 && waitpid(child, &status, 0) == child);
		CHECK_EQUAL(status, 0);
	}
}

static __attribute__((noinline)) void callback(void)
{
	__asm__ volatile("");
}

#define HERE ((uint64_t) (uintptr_t) callback)

/* This program, as if it had lain at an address of its own. */
static const char *name_in(struct uvh_trace_symbols *symbols, struct uvh_trace_library library)
{
	if (uvh_trace_symbols_add(symbols, &library) != 0)
		return "not added";
	return uvh_trace_symbols_name(symbols, library.bias + HERE - objects[0].library.bias);
}

static void test_libraries(void)
{
	const struct uvh_trace_library here = objects[0].library;
	struct uvh_trace_symbols *symbols = uvh_trace_symbols_open();
	uint64_t offset = HERE - here.bias;
	struct uvh_trace_library moved;
	char expected[64];

	snprintf(expected, sizeof(expected), "0x%" PRIx64, HERE);
	CHECK(equal(uvh_trace_symbols_name(symbols, HERE), expected));
	CHECK(equal(uvh_trace_symbols_name(symbols, 0), "0x0"));

#define MOVED(place, ...)                                                                          \
	(moved = here, moved.begin = moved.begin - moved.bias + (place),                           \
	 moved.end = moved.end - moved.bias + (place), moved.bias = (place), __VA_ARGS__, moved)
	CHECK(equal(name_in(symbols, MOVED(UINT64_C(1) << 40, (void) 0)), "callback"));

	/* Another file now, one that has gone, a folder, and what is never read: a device. */
	snprintf(expected, sizeof(expected), "%s+0x%" PRIx64, strrchr(here.path, '/') + 1, offset);
	CHECK(equal(name_in(symbols, MOVED(UINT64_C(2) << 40, moved.build_id[19] ^= 1)), expected));
	snprintf(expected, sizeof(expected), "gone?\?+0x%" PRIx64, offset);
	CHECK(equal(name_in(symbols, MOVED(UINT64_C(3) << 40, moved.path = "/none/gone \"")),
		    expected));
	snprintf(expected, sizeof(expected), "tmp+0x%" PRIx64, offset);
	CHECK(equal(name_in(symbols, MOVED(UINT64_C(4) << 40, moved.path = "/tmp")), expected));
	snprintf(expected, sizeof(expected), "zero+0x%" PRIx64, offset);
	CHECK(
	    equal(name_in(symbols, MOVED(UINT64_C(5) << 40, moved.path = "/dev/zero")), expected));
	snprintf(expected, sizeof(expected), "linux-vdso.so.1+0x%" PRIx64, offset);
	CHECK(equal(name_in(symbols, MOVED(UINT64_C(6) << 40, moved.path = "linux-vdso.so.1")),
		    expected));

	/* Where one was unloaded and another came: the later one. */
	CHECK(equal(name_in(symbols, MOVED(UINT64_C(3) << 40, moved.bias += 16)), "callback"));
	uvh_trace_symbols_close(symbols);
}

static void test_long_path(void)
{
	struct uvh_trace_symbols *symbols = uvh_trace_symbols_open();
	struct uvh_trace_library library = {.begin = 4096, .end = 8192};
	char path[400];
	const char *name;

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	library.path = path;
	CHECK_EQUAL(uvh_trace_symbols_add(symbols, &library), 0);
	name = uvh_trace_symbols_name(symbols, 4097);
	CHECK_EQUAL(strlen(name), LOG_SYMBOL_BYTES - 1);
	CHECK(strcmp(name + strlen(name) - 4, "x...") == 0);
	uvh_trace_symbols_close(symbols);
}

/* Whatever a file holds, there is a name. */
static void ask_damaged(int fd)
{
	struct uvh_trace_symbols *symbols = uvh_trace_symbols_open();
	struct uvh_trace_library library = objects[0].library;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	library.path = path;
	CHECK_EQUAL(uvh_trace_symbols_add(symbols, &library), 0);
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t address = library.begin + i * (library.end - library.begin) / 100;

		CHECK(uvh_trace_symbols_name(symbols, address)[0] != '\0');
	}
	uvh_trace_symbols_close(symbols);
}

static void test_damage(void)
{
	FILE *program = fopen("/proc/self/exe", "rbe");
	static char bytes[8 << 20];
	size_t size = fread(bytes, 1, sizeof(bytes), program);
	int fd = memfd_create("damaged", MFD_CLOEXEC);
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *) bytes;
	/* Half of the damage is in the headers: most other bytes nobody looks at. */
	size_t sections = header->e_shoff;

	fclose(program);
	CHECK(size > sizeof(*header) && size < sizeof(bytes) && sections < size);
	srandom(7);
	for (unsigned int i = 0; i < 400; i++) {
		size_t cut = i % 8 == 0 ? (size_t) random() % size : size;

		CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, cut, 0) == (ssize_t) cut);
		for (unsigned int j = 0; j < i % 16; j++) {
			size_t from = j % 2 != 0 ? 0 : sections;
			size_t room = j % 4 == 0 ? sizeof(*header) : size - from;
			size_t at = from + (size_t) random() % room;
			char value = (char) random();

			if (at < cut)
				CHECK(pwrite(fd, &value, 1, (off_t) at) == 1);
		}
		ask_damaged(fd);
	}
	close(fd);
}

int main(void)
{
	CHECK(dlopen("libuv.so.1", RTLD_NOW) != NULL && dlopen("libstdc++.so.6", RTLD_NOW) != NULL);
	log_symbol_start();
	dl_iterate_phdr(read_object, NULL);
	CHECK(object_count > 3);
	callback();
	test_names_in_children();
	test_libraries();
	test_long_path();
	test_damage();
	CHECK_DONE();
}
