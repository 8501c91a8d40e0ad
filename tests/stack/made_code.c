/* SPDX-License-Identifier: MIT */
/*
 * A timer that is made in code that the program itself has made at run time, and of which it tells
 * in /tmp/perf-PID.map as just-in-time compilers do. The argument is the name that it tells.
 */
#include "../programs/program.h"

#include <string.h>
#include <sys/mman.h>

/* Calls the function that it is called with, and has a frame pointer as others do. */
#if defined(__x86_64__)
static const unsigned char code[] = {
    0x55, 0x48, 0x89, 0xe5, /* push %rbp; mov %rsp, %rbp */
    0xff, 0xd7, 0x5d, 0xc3, /* call *%rdi; pop %rbp; ret */
};
#elif defined(__aarch64__)
static const unsigned char code[] = {
    0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91, /* stp x29, x30, [sp, #-16]!; mov x29, sp */
    0x00, 0x00, 0x3f, 0xd6, 0xfd, 0x7b, 0xc1, 0xa8, /* blr x0; ldp x29, x30, [sp], #16 */
    0xc0, 0x03, 0x5f, 0xd6,                         /* ret */
};
#endif

static uv_timer_t timer;

static __attribute__((noinline)) void make_timer(void)
{
	CHECK_OK(uv_timer_init(uv_default_loop(), &timer));
}

static void tell(const void *where, const char *name)
{
	char path[64];
	FILE *map;

	snprintf(path, sizeof(path), "/tmp/perf-%ld.map", (long) getpid());
	map = fopen(path, "w");
	CHECK(map != NULL);
	fprintf(map, "%lx %zx %s\n", (unsigned long) where, sizeof(code), name);
	CHECK(fclose(map) == 0);
}

int main(int argc, char **argv)
{
	void *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(made != MAP_FAILED);
	memcpy(made, code, sizeof(code));
	CHECK(mprotect(made, 4096, PROT_READ | PROT_EXEC) == 0);
	__builtin___clear_cache((char *) made, (char *) made + sizeof(code));
	if (argc > 1)
		tell(made, argv[1]);
	((void (*)(void (*)(void)))(uintptr_t) made)(make_timer);
	printf("%ld\n", (long) getpid());
	return 0;
}
