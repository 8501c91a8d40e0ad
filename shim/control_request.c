/* SPDX-License-Identifier: MIT */
/* What can be asked of a running process: the words of <uvhooks/control.h>. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "control.h"
#include "hooks.h"
#include "init.h"
#include "libuv.h"
#include "plugin.h"

struct answer {
	char *text;
	size_t bytes, used;
};

__attribute__((format(printf, 2, 3))) static void tell(struct answer *answer, const char *format,
						       ...)
{
	const size_t room = answer->bytes - answer->used;
	va_list list;
	int wrote;

	va_start(list, format);
	wrote = vsnprintf(answer->text + answer->used, room, format, list);
	va_end(list);
	if (wrote > 0)
		answer->used += (size_t) wrote < room ? (size_t) wrote : room - 1;
}

/* Where the shim was turned off nothing begins again; what goes on may still be ended. */
static bool is_over(struct answer *answer)
{
	if (uvh_is_off())
		tell(answer, "the shim in this process was turned off, which holds for good: start "
			     "the program again");
	return uvh_is_off();
}

static int load(char *words, struct answer *answer)
{
	if (is_over(answer))
		return -EPERM;
	return uvh_plugins_request(words, true, answer->text, answer->bytes);
}

static int set(char *words, struct answer *answer)
{
	return uvh_plugins_request(words, false, answer->text, answer->bytes);
}

/* "hook N" or the name of a plugin. */
static int change_hooks(const char *words, bool enable, struct answer *answer)
{
	static const char hook[] = "hook ";
	unsigned long number;
	char *end;
	int found;

	if (strncmp(words, hook, sizeof(hook) - 1) == 0) {
		number = strtoul(words + sizeof(hook) - 1, &end, 10);
		found = *end != '\0' || number == 0 || number > UINT32_MAX
			    ? -ENOENT
			    : uvh_hook_switch((uint32_t) number, enable);
		if (found == -ENOENT)
			tell(answer, "there is no hook '%s'; the status names them by number",
			     words + sizeof(hook) - 1);
	} else {
		found = uvh_hooks_switch_of(words, enable);
		if (found == -ENOENT)
			tell(answer, "no plugin '%s' has made a hook; the status names the plugins",
			     words);
	}
	if (found < 0 && found != -ENOENT)
		tell(answer, "that is not possible: %s", strerror(-found));
	return found;
}

static int enable(char *words, struct answer *answer)
{
	if (is_over(answer))
		return -EPERM;
	return change_hooks(words, true, answer);
}

static int disable(char *words, struct answer *answer)
{
	return change_hooks(words, false, answer);
}

static void tell_hook(const struct uvhooks_hook *hook, bool enabled, void *data)
{
	struct answer *answer = data;

	tell(answer, "hook: %u %s %s", hook->number, enabled ? "enabled" : "disabled",
	     hook->owner[0] == '\0' ? "(the program)" : hook->owner);
	for (unsigned int event = 0; event < UVHOOKS_EVENT_MAX; event++)
		if (hook->callbacks[event] != NULL)
			tell(answer, " %s", uvhooks_event_name(event));
	tell(answer, "\n");
}

static void tell_libuv(const struct uvhooks_libuv *libuv, void *data)
{
	tell(data, "libuv: %u.%u.%u %s\n", libuv->version >> 16, libuv->version >> 8 & 0xff,
	     libuv->version & 0xff, libuv->path[0] == '\0' ? "(the program)" : libuv->path);
}

static void tell_plugin(const char *name, const char *said, void *data)
{
	tell(data, "plugin: %s%s%s\n", name, said[0] == '\0' ? "" : " ", said);
}

static int status(char *words, struct answer *answer)
{
	(void) words;
	uvhooks_for_each_libuv(tell_libuv, answer);
	uvh_plugins_tell(tell_plugin, answer);
	uvh_hooks_tell(tell_hook, answer);
	tell(answer, "resources made: %llu\n", (unsigned long long) uvh_spaces_made());
	tell(answer, "memory bytes: %llu\n", (unsigned long long) uvh_mapped_bytes());
	return 0;
}

static int off(char *words, struct answer *answer)
{
	(void) words;
	(void) answer;
	uvh_turn_off(UVHOOKS_CONTROL_DISABLED);
	return 0;
}

static const struct {
	const char *word;
	bool alone; /* nothing follows it */
	int (*answer)(char *words, struct answer *answer);
} table[] = {
    {"load", false, load},       {"set", false, set},      {"enable", false, enable},
    {"disable", false, disable}, {"status", true, status}, {"off", true, off},
};

int uvh_control_answer(char *request, char *text, size_t bytes)
{
	struct answer answer = {text, bytes, 0};
	char *words = strchr(request, ' ');

	if (words != NULL)
		*words++ = '\0';
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].word, request) == 0 &&
		    table[i].alone == (words == NULL || words[0] == '\0'))
			return table[i].answer(words, &answer);
	tell(&answer, "this version (%s) does not understand that request", UVHOOKS_VERSION);
	return -EINVAL;
}
