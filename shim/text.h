/* SPDX-License-Identifier: MIT */
/*
 * Code that is made or changed while the process runs. No page is ever writable and executable at
 * once, and no descriptor stays open.
 */
#ifndef UVH_TEXT_H
#define UVH_TEXT_H

#include "ground.h"

#pragma GCC visibility push(hidden)

/* Pages for new code: written at `write` until they are sealed, run at `run` from then on. */
struct uvh_code {
	uint8_t *run;
	uint8_t *write;
	size_t bytes; /* whole pages */
	bool doubled; /* two views of one memory; else one whose protection changes */
};

/*
 * Pages from which every address in [low, high) is within `reach` bytes. False if there are none,
 * or if the kernel would not let them become code.
 */
bool uvh_code_map(struct uvh_code *code, uintptr_t low, uintptr_t high, int64_t reach,
		  size_t bytes);

/* Nothing is written any more. False if it cannot become code: then it is gone. */
bool uvh_code_seal(struct uvh_code *code);

void uvh_code_drop(struct uvh_code *code);

/*
 * Changes code of the process: all of the bytes, or none. False where the kernel refuses. The
 * caller sees to it that no other thread runs them meanwhile. `memory` is what uvh_text_open
 * returned, and good for many changes.
 */
int uvh_text_open(void);
bool uvh_text_write(int memory, void *at, const void *bytes, size_t count);
void uvh_text_close(int memory);

/*
 * The same in one step for all threads: each of them runs either all of the old bytes or all of the
 * new ones. What a thread that is in the midst of them does is the caller's to know.
 */
bool uvh_text_replace(void *at, const void *bytes, size_t count);

/* Where other threads run, one may be in the very instructions that are to be changed. */
bool uvh_is_single_threaded(void);

#pragma GCC visibility pop

#endif
