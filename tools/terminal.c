/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static enum { AUTO, ALWAYS, NEVER } when_colored;

int uvh_color_option(const char *verb, const char *when)
{
	if (strcmp(when, "auto") == 0)
		when_colored = AUTO;
	else if (strcmp(when, "always") == 0)
		when_colored = ALWAYS;
	else if (strcmp(when, "never") == 0)
		when_colored = NEVER;
	else
		return uvh_bad_usage(verb, "--color %s: known are always, never and auto", when);
	return UVH_OK;
}

static bool is_colored(void)
{
	static int known = -1;
	const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (known >= 0)
		return known;
	known = when_colored == ALWAYS || (when_colored == AUTO && isatty(STDOUT_FILENO) &&
					   (no_color == NULL || no_color[0] == '\0') &&
					   (terminal == NULL || strcmp(terminal, "dumb") != 0));
	return known;
}

const char *uvh_color(enum uvh_color color)
{
	static const char *const codes[] = {
	    [UVH_PLAIN] = "\033[0m", [UVH_TITLE] = "\033[1m",  [UVH_DIM] = "\033[2m",
	    [UVH_WARN] = "\033[33m", [UVH_BAD] = "\033[1;31m",
	};

	return is_colored() ? codes[color] : "";
}

bool uvh_is_utf8(void)
{
	static int known = -1;

	if (known < 0) {
		setlocale(LC_CTYPE, "");
		known = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	}
	return known;
}
