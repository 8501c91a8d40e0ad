/* SPDX-License-Identifier: MIT */
/*
 * Runs a program that the kernel refuses something, as hardened systems do:
 *
 *	refuse WHAT... -- PROGRAM [ARGUMENT...]
 *
 *	mdwe      memory that was writable does not become executable (PR_SET_MDWE); before
 *Linux 6.3 the same as systemd systemd   nothing becomes executable by mprotect, nor is executable
 *and writable at once, as MemoryDenyWriteExecute=yes is where there is no PR_SET_MDWE memfd there
 *is no memfd_create mem       /proc/self/mem can be opened but not written
 *(proc_mem.force_override=never) open      nothing can be opened for reading and writing, as
 * /proc/self/mem would be proc      /proc is empty both      who asks for memory that is executable
 *and writable at once is killed
 *
 *	refuse try both    asks for such memory
 *
 * The exit status is 125 if it cannot be refused here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#if defined(__x86_64__)
#define THIS_MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_MACHINE AUDIT_ARCH_AARCH64
#endif

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(125);
}

/* The low and the high half of an argument of a system call. */
#define LOW(n)  (offsetof(struct seccomp_data, args[n]))
#define HIGH(n) (offsetof(struct seccomp_data, args[n]) + 4)

#define LOAD(offset)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define KEEP(mask)         BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask)
#define ANSWER(answer)     BPF_STMT(BPF_RET | BPF_K, answer)
#define SKIP_UNLESS(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)
#define FAIL(error)        (SECCOMP_RET_ERRNO | (error))

static void filter(const struct sock_filter *rule, size_t length)
{
	struct sock_filter code[64] = {
	    LOAD(offsetof(struct seccomp_data, arch)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_MACHINE, 1, 0),
	    ANSWER(SECCOMP_RET_KILL_PROCESS),
	    LOAD(offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = {.filter = code};

	check(length + 5 <= sizeof code / sizeof code[0], "filter");
	memcpy(code + 4, rule, length * sizeof *rule);
	code[length + 4] = (struct sock_filter) ANSWER(SECCOMP_RET_ALLOW);
	program.len = (unsigned short) (length + 5);
	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
	check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "PR_SET_SECCOMP");
}

#define FILTER(...)                                                                                \
	do {                                                                                       \
		static const struct sock_filter rule[] = {__VA_ARGS__};                            \
                                                                                                   \
		filter(rule, sizeof rule / sizeof rule[0]);                                        \
	} while (0)

/* Of one system call: an answer if all bits of the mask are set in an argument. */
#define IF_SET(call, argument, mask, answer)                                                       \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 5), LOAD(LOW(argument)), KEEP(mask),          \
	    SKIP_UNLESS(mask), ANSWER(answer), ANSWER(SECCOMP_RET_ALLOW)

#define BOTH (PROT_WRITE | PROT_EXEC)

static void refuse_systemd(void)
{
	FILTER(IF_SET(SYS_mmap, 2, BOTH, FAIL(EPERM)),
	       IF_SET(SYS_mprotect, 2, PROT_EXEC, FAIL(EPERM)),
	       IF_SET(SYS_pkey_mprotect, 2, PROT_EXEC, FAIL(EPERM)));
}

static void refuse_mdwe(void)
{
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0)
		return;
	check(errno == EINVAL, "PR_SET_MDWE");
	refuse_systemd();
}

static void refuse_both(void)
{
	FILTER(IF_SET(SYS_mmap, 2, BOTH, SECCOMP_RET_KILL_PROCESS),
	       IF_SET(SYS_mprotect, 2, BOTH, SECCOMP_RET_KILL_PROCESS),
	       IF_SET(SYS_pkey_mprotect, 2, BOTH, SECCOMP_RET_KILL_PROCESS));
}

static void refuse_memfd(void)
{
	FILTER(SKIP_UNLESS(SYS_memfd_create), ANSWER(FAIL(EPERM)));
}

/* Files have no such offsets in these tests. */
static void refuse_mem(void)
{
	FILTER(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 0, 7), LOAD(HIGH(3)),
	       SKIP_UNLESS(0), BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), ANSWER(FAIL(EIO)), LOAD(LOW(3)),
	       BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x100000, 0, 1), ANSWER(FAIL(EIO)));
}

static void refuse_open(void)
{
	FILTER(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 4), LOAD(LOW(2)), KEEP(O_ACCMODE),
	       SKIP_UNLESS(O_RDWR), ANSWER(FAIL(EACCES)));
}

static void refuse_proc(void)
{
	if (unshare(CLONE_NEWNS) != 0)
		check(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount /");
	check(mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0, "mount /proc");
}

static const struct {
	const char *name;
	void (*refuse)(void);
} refusals[] = {
    {"mdwe", refuse_mdwe}, {"systemd", refuse_systemd}, {"memfd", refuse_memfd},
    {"mem", refuse_mem},   {"open", refuse_open},       {"proc", refuse_proc},
    {"both", refuse_both},
};

static int try(const char *what)
{
	int fd;
	void *memory;

	if (strcmp(what, "both") == 0) {
		memory = mmap(NULL, 4096, PROT_READ | BOTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return memory != MAP_FAILED ? 0 : errno;
	}
	if (strcmp(what, "exec") == 0) {
		memory =
		    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(memory != MAP_FAILED, "mmap");
		return mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
	}
	if (strcmp(what, "memfd") == 0)
		return memfd_create("try", 0) >= 0 ? 0 : errno;
	fd = open("/proc/self/mem", O_RDWR);
	if (fd < 0)
		return errno;
	/* the first byte of this function stays what it is */
	return pwrite(fd, (const void *) (uintptr_t) try, 1, (off_t) (uintptr_t) try) == 1 ? 0
											   : errno;
}

int main(int argc, char **argv)
{
	int i;

	if (argc == 3 && strcmp(argv[1], "try") == 0) {
		int error = try(argv[2]);

		printf("%s: %s\n", argv[2], error == 0 ? "may" : strerrorname_np(error));
		return 0;
	}
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		size_t at = 0;

		while (at < sizeof refusals / sizeof refusals[0] &&
		       strcmp(refusals[at].name, argv[i]) != 0)
			at++;
		if (at == sizeof refusals / sizeof refusals[0]) {
			fprintf(stderr, "refuse: what is %s?\n", argv[i]);
			return 125;
		}
		refusals[at].refuse();
	}
	if (i + 1 >= argc)
		return 125;
	execvp(argv[i + 1], argv + i + 1);
	check(false, argv[i + 1]);
}
