/* SPDX-License-Identifier: MIT */
/*
 * Makes timers at places that are known: lines that a comment marks. Each scene does so in another
 * way that a stack can be. All of them are closed in the end.
 */
#include "../programs/program.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#define TIMERS     256
#define SMALL      ((size_t) 64 << 10)
#define COROUTINE  ((size_t) 32 << 10)
#define COROUTINES 2

/* The call in front of it is none that the caller is replaced by. */
#define NO_TAIL_CALL() __asm__ volatile("")
#ifdef __clang__
#define PLACE __attribute__((noinline)) /* it makes no clones */
#else
#define PLACE __attribute__((noinline, noclone))
#endif

static uv_loop_t *current;
static uv_timer_t timers[TIMERS];
static size_t used;

PLACE static void make(void)
{
	CHECK(used < TIMERS);
	CHECK_OK(uv_timer_init(current, &timers[used++])); /* MAKE */
	NO_TAIL_CALL();
}

PLACE static void arm(void (*callback)(uv_timer_t *timer))
{
	CHECK_OK(uv_timer_start(&timers[used - 1], callback, 0, 0)); /* ARM */
	NO_TAIL_CALL();
}

PLACE static void outer(void)
{
	make(); /* OUTER */
	NO_TAIL_CALL();
}

static void close_all(void)
{
	for (size_t i = 0; i < used; i++)
		uv_close((uv_handle_t *) &timers[i], NULL);
	used = 0;
}

static void play_lines(uv_loop_t *loop)
{
	current = loop;
	outer(); /* SCENE */
	close_all();
}

static void play_same(uv_loop_t *loop)
{
	volatile int times = 3; /* so that it stays one call */

	current = loop;
	for (int i = 0; i < times; i++)
		outer();
	make();
	close_all();
}

static void on_timer(uv_timer_t *timer)
{
	CHECK(timer == &timers[0]);
	printf("called\n");
	make(); /* CALLBACK */
	close_all();
}

static void play_callback(uv_loop_t *loop)
{
	current = loop;
	make();
	arm(on_timer);
}

PLACE static void recurse(int depth)
{
	if (depth == 0)
		make();
	else
		recurse(depth - 1);
	NO_TAIL_CALL();
}

static void play_deep(uv_loop_t *loop)
{
	current = loop;
	for (int i = 0; i < 100; i++)
		recurse(i);
	close_all();
}

/* Loops of threads of their own, one after the other. */
static void on_thread(void *data)
{
	uv_loop_t loop;

	CHECK_OK(uv_loop_init(&loop));
	current = &loop;
	recurse(*(int *) data);
	close_all();
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&loop));
}

static void play_threads(uv_loop_t *loop)
{
	uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = SMALL};
	uv_thread_t thread;
	int depth = 3;

	(void) loop;
	for (int i = 0; i < 3; i++) {
		CHECK_OK(uv_thread_create_ex(&thread, &options, on_thread, &depth));
		CHECK_OK(uv_thread_join(&thread));
	}
}

/* On stacks that take turns; below each is a page that nobody may touch. */
static ucontext_t coroutines[COROUTINES], scheduler;

static void coroutine(int self)
{
	for (int i = 0; i < 5; i++) {
		recurse(self + 1);
		CHECK(swapcontext(&coroutines[self], &scheduler) == 0);
	}
}

static void play_coroutines(uv_loop_t *loop)
{
	char *stacks[COROUTINES];

	current = loop;
	for (volatile int i = 0; i < COROUTINES; i++) {
		stacks[i] = mmap(NULL, COROUTINE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(stacks[i] != MAP_FAILED);
		CHECK(mprotect(stacks[i], 4096, PROT_NONE) == 0);
		CHECK(getcontext(&coroutines[i]) == 0);
		coroutines[i].uc_stack.ss_sp = stacks[i];
		coroutines[i].uc_stack.ss_size = COROUTINE;
		makecontext(&coroutines[i], (void (*)(void)) coroutine, 1, i);
	}
	for (int turn = 0; turn < 5; turn++)
		for (int i = 0; i < COROUTINES; i++)
			CHECK(swapcontext(&scheduler, &coroutines[i]) == 0);
	for (int i = 0; i < COROUTINES; i++)
		CHECK(munmap(stacks[i], COROUTINE) == 0);
	close_all();
}

static void play_fork(uv_loop_t *loop)
{
	int status;
	pid_t child;

	current = loop;
	outer();
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK_OK(uv_loop_fork(loop));
		recurse(2);
		_exit(7);
	}
	CHECK(waitpid(child, &status, 0) == child);
	printf("child %d\n", WEXITSTATUS(status));
	close_all();
}

/* While other threads take stacks that were never seen, and forks come in between. */
static atomic_int ends;

static void make_and_make(void *data)
{
	uv_loop_t loop;
	uv_timer_t timer;

	(void) data;
	CHECK_OK(uv_loop_init(&loop));
	while (!ends) {
		CHECK_OK(uv_timer_init(&loop, &timer));
		uv_close((uv_handle_t *) &timer, NULL);
		CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	}
	CHECK_OK(uv_loop_close(&loop));
}

static void play_forks(uv_loop_t *loop)
{
	uv_thread_t thread;

	current = loop;
	ends = 0;
	CHECK_OK(uv_thread_create(&thread, make_and_make, NULL));
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		int status;

		CHECK(child >= 0);
		if (child == 0) {
			for (int depth = 0; depth < 20; depth++)
				recurse(depth);
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	ends = 1;
	CHECK_OK(uv_thread_join(&thread));
}

/*
 * Machine code about which nobody has written anything down: it calls its argument, with a frame
 * pointer, or with one that is anything.
 */
static const unsigned char with_fp[] = {
    0x55,             /* push %rbp */
    0x48, 0x89, 0xe5, /* mov %rsp, %rbp */
    0xff, 0xd7,       /* call *%rdi */
    0x5d,             /* pop %rbp */
    0xc3,             /* ret */
};
static const unsigned char astray[] = {
    0x55,             /* push %rbp */
    0x48, 0x89, 0xf5, /* mov %rsi, %rbp */
    0xff, 0xd7,       /* call *%rdi */
    0x5d,             /* pop %rbp */
    0xc3,             /* ret */
};

static void run_code(const unsigned char *code, size_t bytes, uintptr_t argument)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memcpy(memory, code, bytes);
	CHECK(mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0);
	((void (*)(void (*)(void), uintptr_t)) memory)(outer, argument); /* GENERATED */
	NO_TAIL_CALL();
	CHECK(munmap(memory, 4096) == 0);
}

static void play_generated(uv_loop_t *loop)
{
	current = loop;
	run_code(with_fp, sizeof with_fp, 0);
	close_all();
}

static void play_astray(uv_loop_t *loop)
{
	uintptr_t here = (uintptr_t) __builtin_frame_address(0);
	const uintptr_t wrong[] = {0,
				   1,
				   8,
				   here,
				   here + 3,
				   here - 8,
				   here + 65536,
				   UINTPTR_MAX,
				   UINTPTR_MAX - 7,
				   here + (1 << 30),
				   (uintptr_t) timers,
				   (uintptr_t) play_astray};

	current = loop;
	for (size_t i = 0; i < COUNT(wrong); i++)
		run_code(astray, sizeof astray, wrong[i]);
	close_all();
}

/* The second module is where the first one was, and its frames are of another size. */
static void play_unload(uv_loop_t *loop)
{
	static const char *const modules[] = {"unloaded-8192.so", "unloaded-4096.so"};
	const void *places[2];
	char path[4096];
	ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 64);

	CHECK(bytes > 0);
	path[bytes] = '\0';
	current = loop;
	for (size_t i = 0; i < COUNT(modules); i++) {
		void *module;
		void (*call)(void (*)(void));

		strcpy(strrchr(path, '/') + 1, modules[i]);
		module = dlopen(path, RTLD_NOW);
		CHECK(module != NULL);
		call = (void (*)(void (*)(void))) dlsym(module, "call");
		CHECK(call != NULL);
		places[i] = (const void *) call;
		call(make); /* UNLOADED */
		call(make);
		CHECK(dlclose(module) == 0);
	}
	/* Else this scene shows nothing. */
	printf("%s\n", places[0] == places[1] ? "at one address" : "at two addresses");
	close_all();
}

static void play_fs(uv_loop_t *loop)
{
	uv_fs_t request;

	CHECK_OK(uv_fs_stat(loop, &request, "/", NULL)); /* FS */
	uv_fs_req_cleanup(&request);
}

/* What alternates: made, armed, made, armed. */
static void play_many(uv_loop_t *loop)
{
	uv_timer_t timer;

	for (int i = 0; i < 1000; i++) {
		CHECK_OK(uv_timer_init(loop, &timer));
		CHECK_OK(uv_timer_start(&timer, on_timer, 1000, 0));
		uv_close((uv_handle_t *) &timer, NULL);
		CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	}
}

static void play_idle(uv_loop_t *loop)
{
	static uv_idle_t idle;

	CHECK_OK(uv_idle_init(loop, &idle));
	uv_close((uv_handle_t *) &idle, NULL);
}

int main(int argc, char **argv)
{
	static const struct scene scenes[] = {
	    {"lines", play_lines},   {"same", play_same},       {"callback", play_callback},
	    {"deep", play_deep},     {"threads", play_threads}, {"coroutines", play_coroutines},
	    {"fork", play_fork},     {"forks", play_forks},     {"generated", play_generated},
	    {"astray", play_astray}, {"unload", play_unload},   {"fs", play_fs},
	    {"many", play_many},     {"idle", play_idle},
	};

	return PLAY(scenes); /* MAIN */
}
