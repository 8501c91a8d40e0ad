/* SPDX-License-Identifier: MIT */
/* What must hold on the slow path, and locks that are good in the child of a fork. */
#include "stacks.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef UVH_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* A holder that is on a processor is done long before; one that is not, after so many turns. */
#define SPINS 2000
#define TURNS 200

atomic_uint stacks_learn_lock, stacks_store_lock;
_Atomic uint64_t stacks_lost;

_Static_assert(sizeof(sigset_t) <= sizeof(((struct stacks_guard *) 0)->signals), "a set fits");

void stacks_guard_enter(struct stacks_guard *guard)
{
	sigset_t all;

	guard->saved_errno = errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, (sigset_t *) guard->signals);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancel);
}

void stacks_guard_leave(const struct stacks_guard *guard)
{
	pthread_setcancelstate(guard->cancel, NULL);
	pthread_sigmask(SIG_SETMASK, (const sigset_t *) guard->signals, NULL);
	errno = guard->saved_errno;
}

static bool try_lock(atomic_uint *lock)
{
	unsigned int free = 0;

	return atomic_load_explicit(lock, memory_order_relaxed) == 0 &&
	       atomic_compare_exchange_strong_explicit(lock, &free, 1, memory_order_acquire,
						       memory_order_relaxed);
}

bool stacks_lock(atomic_uint *lock)
{
	for (unsigned int i = 0; i < SPINS + TURNS; i++) {
		if (try_lock(lock))
			return true;
		if (i >= SPINS)
			sched_yield();
		else
			__builtin_ia32_pause();
	}
	return false;
}

void stacks_unlock(atomic_uint *lock)
{
	atomic_store_explicit(lock, 0, memory_order_release);
}

/* What the forking thread holds, in this order, so that no other changes anything meanwhile. */
static __thread bool holds_learn __attribute__((tls_model("initial-exec")));
static __thread bool holds_store __attribute__((tls_model("initial-exec")));

static void before_fork(void)
{
	holds_learn = stacks_lock(&stacks_learn_lock);
	holds_store = stacks_lock(&stacks_store_lock);
}

static void after_fork(void)
{
	if (holds_learn)
		stacks_unlock(&stacks_learn_lock);
	if (holds_store)
		stacks_unlock(&stacks_store_lock);
	holds_learn = holds_store = false;
}

int stacks_slow_start(void)
{
	return pthread_atfork(before_fork, after_fork, after_fork) == 0 ? 0 : -1;
}

void *stacks_reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* valgrind would tell of each wrong call below; it lets the kernel copy whatever there is. */
static bool can_be_copied(uintptr_t address)
{
	char byte;
	const struct iovec here = {&byte, 1};
	const struct iovec there = {(void *) address, 1};

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

bool stacks_can_be_read(uintptr_t address)
{
	if (RUNNING_ON_VALGRIND)
		return can_be_copied(address);
	return syscall(SYS_rt_sigprocmask, -1, address, NULL, sizeof(uint64_t)) != 0 &&
	       errno == EINVAL;
}
