/* SPDX-License-Identifier: MIT */
/* What unit_a.c and unit_b.c have of each other. */
#ifndef UNITS_H
#define UNITS_H

#include <uvhooks/local_storage.h>

#ifdef __cplusplus
extern "C" {
#endif

extern struct uvhooks_local_storage unit_storage;

void *unit_a_sees(void *argument);
void *unit_b_sees(void);
void unit_b_enters(void *store);
void *unit_b_runs(void *store, void *(*function)(void *argument));

#ifdef __cplusplus
}
#endif

#endif
