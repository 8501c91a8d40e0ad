/* SPDX-License-Identifier: MIT */
/* More names of types than there are numbers: the last ones share one, and all goes on. */
#include "embedder.h"

static unsigned int named;
static unsigned int shared;
static unsigned int other;

static void on_init(const struct uvhooks_event *event, void *data)
{
	const char *name = data;

	if (event->type == UVHOOKS_EMBEDDER)
		shared++;
	else if (strcmp(uvhooks_type_name(event->type), name) == 0)
		named++;
	else
		other++;
}

#define NAMES 66000

int main(void)
{
	static char name[32];
	struct uvhooks_callbacks callbacks;
	struct uvhooks_hook *hook;
	unsigned int before;

	memset(&callbacks, 0, sizeof callbacks);
	callbacks.size = sizeof callbacks;
	callbacks.init = on_init;
	hook = uvhooks_create_hook(&callbacks, name);
	enable(hook);
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "Name%u", i);
		mark(name);
	}
	before = named;
	snprintf(name, sizeof name, "Name%u", 17);
	mark(name);
	/* Node's names, and those that came first, are still known. */
	CHECK(named == before + (uvhooks_present() ? 1 : 0));
	snprintf(name, sizeof name, "ZLIB");
	mark(name);
	CHECK(named == before + (uvhooks_present() ? 2 : 0));
	disable(hook);
	if (uvhooks_present())
		CHECK(named >= 60000 && shared > 0 && other == 0 && named + shared == NAMES + 2);
	printf("%u names\n", NAMES);
	report_counters();
	return 0;
}
