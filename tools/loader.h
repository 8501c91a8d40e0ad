/* SPDX-License-Identifier: MIT */
/*
 * What needs a process of its own: asking the dynamic loader which libraries a program gets, and
 * calling into a library that is not ours. Whatever happens there cannot harm the command.
 */
#ifndef UVH_LOADER_H
#define UVH_LOADER_H

#include <limits.h>
#include <stddef.h>

#define UVH_TEXT_BYTES 1024

/*
 * Runs `work` in a child and hands over what it wrote into `text`. Returns what `work` returned
 * (0 to 127), or -1 with a text that says how the child ended.
 */
int uvh_in_child(int (*work)(const void *argument, char *text), const void *argument,
		 char text[UVH_TEXT_BYTES]);

struct uvh_libraries {
	size_t count;
	char **paths;               /* in the loader's order, in which symbols are looked up */
	char error[UVH_TEXT_BYTES]; /* why the loader gave up, in its words */
};

/*
 * The libraries that the loader `loader` loads for the program at `path`, with this environment.
 * 0; -EPERM where the loader is not one to be trusted with a run; -EINVAL where the loader cannot
 * load the program, with `libraries->error`; or another -errno. To be given to
 * uvh_libraries_free() in any case.
 */
int uvh_libraries_read(const char *loader, const char *path, struct uvh_libraries *libraries);
void uvh_libraries_free(struct uvh_libraries *libraries);

struct uvh_libuv {
	char path[PATH_MAX];
	char version[32]; /* "1.44.2" */
};

/*
 * Loads the libuv of this name ("libuv.so.1") or path, in a child, and asks it for its version. 0,
 * or -1 and the reason in `text`.
 */
int uvh_libuv_read(const char *name, struct uvh_libuv *libuv, char text[UVH_TEXT_BYTES]);

#endif
