/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the program `faults` share. It works, and counts what it does, in memory that
 * outlives it: the first bytes of the file that FAULTS_COUNT names. So a test can hold the trace
 * against the count, however the program ended.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "../programs/program.h"

/* Of the process and its children. */
struct faults_count {
	_Atomic uint64_t callbacks; /* of the program's that libuv called, on any thread */
	_Atomic uint64_t untraced;  /* those of them in which there was no id: they had no record */
	_Atomic uint64_t lost;      /* the sum of the shim's counters, at the end of each process */
};

extern struct faults_count *faults_count;

/* A callback of the program's runs. */
void faults_called(void);

/*
 * A loop, and what it is busy with. The struct stays where it is from open to close, and nothing is
 * pending on the loop while faults_work does not run.
 */
struct faults_load {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_async_t async;
	uv_idle_t short_lived;
	uv_work_t work;
	uv_fs_t stat;
	bool is_open, lives, works, stats;
	bool plain; /* neither the thread pool nor a file */
	unsigned long left;
	void (*in_last)(void); /* is called in its last callback of the timer, then forgotten */
};

void faults_open(struct faults_load *load);
void faults_work(struct faults_load *load, unsigned long callbacks);
void faults_close(struct faults_load *load);

/* The main thread's. */
extern struct faults_load faults_load;

/* What a word does; the value stands behind its '=', or is "". */
struct faults_word {
	const char *name;
	void (*inflict)(const char *value);
};

/* Each ends with a word that has no name. */
extern const struct faults_word faults_ends[], faults_processes[], faults_limits[],
    faults_threads[];

/* For what is executed: the words behind the one that runs now. */
extern char **faults_argv;

unsigned long faults_number(const char *value);

/* How many threads the process has. */
unsigned int faults_thread_count(void);

#endif
