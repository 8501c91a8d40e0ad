/* SPDX-License-Identifier: MIT */
/* What the functions say of arguments that are none; the same with and without the shim. */
#include "embedder.h"

static const char *name_of(int result)
{
	switch (result) {
	case 0:
		return "0";
	case -EINVAL:
		return "-EINVAL";
	case -EALREADY:
		return "-EALREADY";
	}
	return "another";
}

#define TELL(call) printf("%s: %s\n", #call, name_of(call))

static int create(resource_t *resource, const char *type, size_t size, uvhooks_async_id trigger)
{
	struct {
		struct uvhooks_async_resource_options options;
		char more[64];
	} grown;

	memset(&grown, 0, sizeof grown);
	grown.options.size = size;
	grown.options.trigger_async_id = trigger;
	return uvhooks_async_resource_create(resource, type, &grown.options);
}

static void create_checks(uv_loop_t *loop)
{
	const size_t size = sizeof(struct uvhooks_async_resource_options);
	resource_t job;

	(void) loop;
	TELL(uvhooks_async_resource_create(NULL, "Job", NULL));
	TELL(uvhooks_async_resource_create(&job, NULL, NULL));
	TELL(uvhooks_async_resource_create(&job, "", NULL));
	TELL(create(&job, "Job", 0, 0));
	TELL(create(&job, "Job", size - 1, 0));
	/* -2, as Node refuses it, and any that no space can have. */
	TELL(create(&job, "Job", size, (uvhooks_async_id) -2));
	TELL(create(&job, "Job", size, UINT64_C(1) << 47));
	/* What is right: -1, 0, any number, and the options of a later header. */
	TELL(create(&job, "Job", size, UVHOOKS_ID_UNSET));
	end(&job);
	TELL(create(&job, "Job", size, 0));
	end(&job);
	TELL(create(&job, "Job", size, 4711));
	end(&job);
	TELL(create(&job, "Job", size + 64, 0));
	end(&job);
	TELL(uvhooks_async_resource_create(&job, "Job", NULL));
	end(&job);
}

static void *count(void *counter)
{
	++*(unsigned int *) counter;
	return counter;
}

/* What create refused is left as it was, and is no resource. */
static void refused(uv_loop_t *loop)
{
	resource_t job;
	unsigned int counter = 0;

	(void) loop;
	memset(&job, 0, sizeof job);
	TELL(uvhooks_async_resource_create(&job, "", NULL));
	TELL(uvhooks_async_resource_emit_destroy(&job));
	CHECK(run_in(&job, count, &counter) == &counter);
	CHECK(run_in(NULL, count, &counter) == &counter);
	CHECK(counter == 2);
	CHECK(uvhooks_async_resource_async_id(&job) == 0);
	CHECK(uvhooks_async_resource_trigger_async_id(&job) == 0);
	CHECK(uvhooks_async_resource_async_id(NULL) == 0);
	CHECK(uvhooks_async_resource_trigger_async_id(NULL) == 0);
}

/* The program's errno is its own. */
static void keeps_errno(uv_loop_t *loop)
{
	resource_t job;
	unsigned int counter = 0;

	(void) loop;
	errno = 77;
	make(&job, "Job");
	run_in(&job, count, &counter);
	uvhooks_default_trigger_async_id_scope(job.async_id, count, &counter);
	end(&job);
	TELL(uvhooks_async_resource_emit_destroy(&job));
	CHECK(errno == 77);
	errno = 0;
}

static const struct scene scenes[] = {
    {"create_checks", create_checks},
    {"refused", refused},
    {"keeps_errno", keeps_errno},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
