/* SPDX-License-Identifier: MIT */
/*
 * A progress bar on stderr, if that is a terminal: long work is shown, short work is not.
 */
#ifndef UVH_PROGRESS_H
#define UVH_PROGRESS_H

/*
 * To be called now and then, or as often as it suits: most calls only count. `done` goes from 0 to
 * 1, `what` says what is being done ("reading"). Nothing is drawn within the first half second, and
 * nothing after that more often than ten times a second.
 */
void uvh_progress(const char *what, double done);

/* Wipes the bar away; before anything else is printed. Then work may begin anew. */
void uvh_progress_end(void);

#endif
