/* SPDX-License-Identifier: MIT */
/*
 * Starting a program with libuvhooks.so and plugins in it: what `run` and `record` share.
 */
#ifndef UVH_LAUNCH_H
#define UVH_LAUNCH_H

struct uvh_launch {
	char *plugins;      /* all of UVHOOKS_PLUGINS; NULL: none */
	const char *follow; /* "0": not in the programs that it starts; else NULL */
	char **program;     /* its name and arguments; closed by a NULL */
};

/*
 * Adds what -p names to the plugins. UVH_OK, or the status to end with when it has said why; `verb`
 * is for that.
 */
int uvh_launch_add_plugin(struct uvh_launch *launch, const char *verb, const char *plugin);

/*
 * Finds the program, checks that it can be traced and that the plugins like their options, and sets
 * the environment. UVH_OK, or the status to end with when it has said what is wrong.
 */
int uvh_launch_prepare(const struct uvh_launch *launch);

/*
 * Becomes the program that was prepared; so it has this process: its id, its parent, its signals.
 * Returns only if that fails: the status that a shell would end with, when it has said why.
 */
int uvh_launch_exec(const struct uvh_launch *launch);

#endif
