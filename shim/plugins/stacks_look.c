/* SPDX-License-Identifier: MIT */
/*
 * Where another thread of this process is, for the watchdog.
 *
 * One that sleeps in the kernel is not disturbed: /proc says where it is and where its stack is.
 * Only one that runs is asked, by a signal, since nobody else knows; as it is in no system call,
 * none is interrupted. A signal is taken that the program leaves alone and the thread does not
 * block, and is given back when the answer is there.
 *
 * Either way the stack is copied and walked as a copy: the thread runs on meanwhile, or ends.
 */
#include "stacks.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define COPY_PAGES 64
#define TEXT_BYTES 2048
#define TRIES      3

/* How long to wait for an answer, and how long between looks. */
#define ANSWER_NS 50000000
#define PAUSE_NS  100000

enum state { NOTHING, ASKED, ANSWERING, ANSWERED };

/* What is asked of one thread at a time. */
static struct {
	atomic_uint state; /* enum state */
	atomic_uint thread_id;
	struct stacks_registers registers;
	size_t copied;
} request;

static char *copy;

/* Reads a file of /proc about a thread. False: there is none. */
static bool read_about(unsigned int thread_id, const char *name, char text[TEXT_BYTES])
{
	char path[64];
	ssize_t bytes;
	int file;

	snprintf(path, sizeof(path), "/proc/self/task/%u/%s", thread_id, name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	bytes = read(file, text, TEXT_BYTES - 1);
	close(file);
	text[bytes < 0 ? 0 : bytes] = '\0';
	return bytes > 0;
}

bool stacks_is_alive(unsigned int thread_id)
{
	char text[TEXT_BYTES];
	const char *state;

	if (syscall(SYS_tgkill, syscall(SYS_getpid), thread_id, 0) != 0)
		return errno != ESRCH;
	/* The first thread of a process can have ended and still be there. */
	if (!read_about(thread_id, "stat", text))
		return true;
	state = strrchr(text, ')');
	return state == NULL || state[1] == '\0' || strchr("ZX", state[2]) == NULL;
}

/* Where the system call is not allowed, by a file. */
static size_t copy_by_file(uintptr_t sp, size_t bytes)
{
	int file = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	ssize_t copied;

	if (file < 0)
		return 0;
	copied = pread(file, copy, bytes, (off_t) sp);
	close(file);
	return copied < 0 ? 0 : (size_t) copied;
}

/* Copies the stack from `sp` up, as far as there is one; page by page. Returns the bytes. */
static size_t copy_stack(uintptr_t sp)
{
	static struct iovec from[COPY_PAGES];
	const uintptr_t page = sp & -STACKS_PAGE;
	struct iovec to = {copy, page + COPY_PAGES * STACKS_PAGE - sp};
	ssize_t bytes;

	for (size_t i = 0; i < COPY_PAGES; i++)
		from[i] = (struct iovec){(void *) (page + i * STACKS_PAGE), STACKS_PAGE};
	from[0] = (struct iovec){(void *) sp, STACKS_PAGE - sp % STACKS_PAGE};
	bytes = syscall(SYS_process_vm_readv, syscall(SYS_getpid), &to, 1, from, COPY_PAGES, 0);
	if (bytes < 0 && (errno == ENOSYS || errno == EPERM))
		return copy_by_file(sp, to.iov_len);
	return bytes < 0 ? 0 : (size_t) bytes;
}

/* On the thread that is asked. It may come late, when nobody waits any more. */
static void answer(int number, siginfo_t *info, void *data)
{
	const ucontext_t *context = data;
	unsigned int asked = ASKED;
	int saved_errno = errno;

	(void) number;
	(void) info;
	if (atomic_load(&request.thread_id) == (unsigned int) syscall(SYS_gettid) &&
	    atomic_compare_exchange_strong(&request.state, &asked, ANSWERING)) {
		request.registers =
		    (struct stacks_registers){(uintptr_t) context->uc_mcontext.gregs[REG_RIP],
					      (uintptr_t) context->uc_mcontext.gregs[REG_RSP],
					      (uintptr_t) context->uc_mcontext.gregs[REG_RBP]};
		request.copied = copy_stack(request.registers.sp);
		atomic_store(&request.state, ANSWERED);
	}
	errno = saved_errno;
}

/* A signal that the program does nothing with, and the thread does not block; 0: none. */
static int free_signal(unsigned int thread_id)
{
	char text[TEXT_BYTES];
	uint64_t blocked;
	const char *line;

	if (!read_about(thread_id, "status", text))
		return 0;
	line = strstr(text, "\nSigBlk:");
	if (line == NULL)
		return 0;
	blocked = strtoull(line + strlen("\nSigBlk:"), NULL, 16);
	for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
		struct sigaction action;

		if (!(blocked >> (number - 1) & 1) && sigaction(number, NULL, &action) == 0 &&
		    !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL)
			return number;
	}
	return 0;
}

static bool wait_for_answer(void)
{
	const struct timespec pause = {0, PAUSE_NS};
	unsigned int asked = ASKED;

	for (unsigned int i = 0; i < ANSWER_NS / PAUSE_NS; i++) {
		if (atomic_load(&request.state) == ANSWERED)
			return true;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	if (atomic_compare_exchange_strong(&request.state, &asked, NOTHING))
		return false;
	/* It is at it; that is a few microseconds of its own. */
	while (atomic_load(&request.state) != ANSWERED)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	return true;
}

/* Asks a thread that runs. A signal that was not answered stays ours: it may still come. */
static bool ask(unsigned int thread_id)
{
	struct sigaction ours = {.sa_sigaction = answer,
				 .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	struct sigaction before;
	int number = free_signal(thread_id);
	bool answered = false;

	sigfillset(&ours.sa_mask);
	if (number == 0 || sigaction(number, &ours, &before) != 0)
		return false;
	atomic_store(&request.thread_id, thread_id);
	atomic_store(&request.state, ASKED);
	if (syscall(SYS_tgkill, syscall(SYS_getpid), thread_id, number) == 0)
		answered = wait_for_answer();
	atomic_store(&request.state, NOTHING);
	if (answered)
		sigaction(number, &before, NULL);
	return answered;
}

/* "NUMBER ARGUMENT... SP PC". False: it runs, or this kernel does not tell. */
static bool read_sleeper(unsigned int thread_id, struct stacks_registers *registers, bool *runs)
{
	char text[TEXT_BYTES];
	char *pc, *sp;

	*runs = false;
	if (!read_about(thread_id, "syscall", text))
		return false;
	*runs = strncmp(text, "running", strlen("running")) == 0;
	pc = strrchr(text, ' ');
	if (*runs || pc == NULL)
		return false;
	*pc = '\0';
	sp = strrchr(text, ' ');
	if (sp == NULL)
		return false;
	*registers = (struct stacks_registers){.ip = strtoull(pc + 1, NULL, 16),
					       .sp = strtoull(sp + 1, NULL, 16)};
	return registers->ip != 0 && registers->sp != 0;
}

/* It must be where it was before when the copy is made. */
static bool copy_sleeper(unsigned int thread_id, const struct stacks_registers *registers,
			 size_t *copied)
{
	struct stacks_registers again;
	bool runs;

	*copied = copy_stack(registers->sp);
	return read_sleeper(thread_id, &again, &runs) && again.ip == registers->ip &&
	       again.sp == registers->sp;
}

size_t stacks_look_at(unsigned int thread_id, uintptr_t *addresses, size_t max)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		struct stacks_registers registers;
		struct stacks_view view = {0};
		size_t copied = 0;
		bool runs;

		if (read_sleeper(thread_id, &registers, &runs)) {
			if (!copy_sleeper(thread_id, &registers, &copied))
				continue;
			view.finds_fp = true;
		} else if (runs && ask(thread_id)) {
			registers = request.registers;
			copied = request.copied;
		} else if (!runs) {
			break;
		}
		if (copied == 0)
			continue;
		view.begin = registers.sp;
		view.end = registers.sp + copied;
		view.moved = (ptrdiff_t) ((uintptr_t) copy - registers.sp);
		return stacks_walk_there(&view, registers, addresses, max);
	}
	atomic_fetch_add_explicit(&stacks_lost, 1, memory_order_relaxed);
	return 0;
}

int stacks_look_start(void)
{
	copy = stacks_reserve(COPY_PAGES * STACKS_PAGE);
	return copy == NULL ? -1 : 0;
}
