/* SPDX-License-Identifier: MIT */
/* The names of embedder types: the program's own, Node's, and odd ones. */
#include "embedder.h"

static unsigned int type;

static void on_init(const struct uvhooks_event *event, void *data)
{
	(void) data;
	type = event->type;
}

/* The number that a name gets; 0 without the shim. */
static unsigned int type_of(const char *name)
{
	static struct uvhooks_hook *hook;
	struct uvhooks_callbacks callbacks;
	resource_t resource;

	memset(&callbacks, 0, sizeof callbacks);
	callbacks.size = sizeof callbacks;
	callbacks.init = on_init;
	if (hook == NULL)
		hook = uvhooks_create_hook(&callbacks, NULL);
	type = 0;
	enable(hook);
	make(&resource, name);
	disable(hook);
	end(&resource);
	return type;
}

/* One number for each name, whoever says it, and however often. */
static void own(uv_loop_t *loop)
{
	char copy[] = "Job";
	unsigned int job = type_of("Job");
	unsigned int task = type_of("Task");

	(void) loop;
	CHECK(type_of(copy) == job);
	if (!uvhooks_present())
		return;
	CHECK(job >= UVHOOKS_TYPE_NAMED && task >= UVHOOKS_TYPE_NAMED && job != task);
	CHECK(strcmp(uvhooks_type_name(job), "Job") == 0);
	CHECK(strcmp(uvhooks_type_name(task), "Task") == 0);
	CHECK(uvhooks_type_kind(job) == UVHOOKS_KIND_EMBEDDER);
	CHECK(strcmp(uvhooks_uv_type_name(job), "none") == 0);
	CHECK(strcmp(uvhooks_type_name(65535), "UNKNOWN") == 0);
}

/* All that types.h has for embedders, by the numbers of types.h. */
static void nodes(uv_loop_t *loop)
{
	(void) loop;
	for (unsigned int number = 0; number < UVHOOKS_TYPE_MAX; number++) {
		if (uvhooks_type_kind(number) != UVHOOKS_KIND_EMBEDDER)
			continue;
		CHECK(type_of(uvhooks_type_name(number)) == (uvhooks_present() ? number : 0));
	}
}

/* The names of what is libuv's make no libuv resource. */
static void libuvs(uv_loop_t *loop)
{
	(void) loop;
	for (unsigned int number = 0; number < UVHOOKS_TYPE_MAX; number++) {
		unsigned int is;

		if (uvhooks_type_kind(number) == UVHOOKS_KIND_EMBEDDER)
			continue;
		is = type_of(uvhooks_type_name(number));
		if (!uvhooks_present())
			continue;
		CHECK(is >= UVHOOKS_TYPE_NAMED);
		CHECK(strcmp(uvhooks_type_name(is), uvhooks_type_name(number)) == 0);
		CHECK(uvhooks_type_kind(is) == UVHOOKS_KIND_EMBEDDER);
	}
}

/* What no line of a log may hold, and what it may. */
static void odd(uv_loop_t *loop)
{
	char longest[UVHOOKS_TYPE_NAME_BYTES];
	char longer[300];

	(void) loop;
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	memset(longer, 'y', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	mark("two words");
	mark("a \"quoted\" name");
	mark("back\\slash");
	mark("new\nline");
	mark("tab\tand\rreturn\x1b[31m");
	mark("no \xff text \x80");
	mark("{\"event\":\"init\"}");
	mark("%s%n");
	mark("x");
	mark(longest);
	mark(longer);
}

/* The name is copied. */
static void copied(uv_loop_t *loop)
{
	char name[] = "Copied";
	resource_t resource;

	(void) loop;
	make(&resource, name);
	memset(name, 'z', sizeof name - 1);
	end(&resource);
}

static const struct scene scenes[] = {
    {"own", own}, {"nodes", nodes}, {"libuvs", libuvs}, {"odd", odd}, {"copied", copied},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
