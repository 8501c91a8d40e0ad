/* SPDX-License-Identifier: MIT */
/*
 * Names that nobody answers for a while: libuv looks up two at a time, with four threads, so the
 * others wait although threads are idle. `fixed` asks for two. The resolver is the program's own.
 */
#include <netdb.h>

#include "planted.h"

#define NAMES   5
#define HELD_MS 60

static unsigned int names;
static uv_sem_t let_go;
static unsigned int done;

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
						       const struct addrinfo *hints,
						       struct addrinfo **found)
{
	(void) name;
	(void) service;
	(void) hints;
	(void) found;
	uv_sem_wait(&let_go);
	return EAI_NONAME;
}

static void on_name(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
	(void) request;
	(void) found;
	CHECK_RESULT(status, UV_EAI_NONAME);
	done++;
}

static void look_up(uv_loop_t *loop, uv_getaddrinfo_t *request)
{
	CHECK_OK(uv_getaddrinfo(loop, request, on_name, "nobody", NULL, NULL)); /* PLANTED */
}

static void on_timer(uv_timer_t *timer)
{
	for (unsigned int i = 0; i < names; i++)
		uv_sem_post(&let_go);
	uv_close((uv_handle_t *) timer, NULL);
}

int main(int argc, char **argv)
{
	static uv_getaddrinfo_t requests[NAMES];
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t timer;

	names = has_fault(argc, argv) ? NAMES : 2;
	CHECK_OK(unsetenv("UV_THREADPOOL_SIZE"));
	CHECK_OK(uv_sem_init(&let_go, 0));
	for (unsigned int i = 0; i < names; i++)
		look_up(loop, &requests[i]);
	uv_update_time(loop);
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, HELD_MS, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("not found: %s\n", done == names ? "all" : "some");
	return 0;
}
