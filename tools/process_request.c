/* SPDX-License-Identifier: MIT */
/* Having a process do something: see the order of a request in <uvhooks/control.h>. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "process_parts.h"
#include "terminal.h"

#define WAKE_NEXT_NS    INT64_C(300000000) /* a loop that has not turned by then is busy */
#define ASK_LOCK_NS     INT64_C(200000)
#define ASK_LEAST_NS    INT64_C(20000)
#define ASK_MOST_NS     INT64_C(2000000)
#define PENDING         2 /* what libuv's own uv_async_send leaves there */
#define FIELD(name)     (process->address + offsetof(struct uvhooks_control, name))
#define LOOPS_WOKEN_MAX 1024
#define LOOPS_TOLD      8

struct wait {
	struct uvh_process *process;
	int64_t begin_ns, end_ns;
	char *answer;
	uint32_t number; /* of the request */
	/* In which order loops are woken: first those that wait for something to do. */
	uint16_t order[LOOPS_WOKEN_MAX];
	size_t loops, next;
	int64_t wake_ns, wake_every_ns;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

__attribute__((format(printf, 3, 4))) static enum uvh_request_result
say(struct wait *wait, enum uvh_request_result result, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(wait->answer, UVHOOKS_CONTROL_ANSWER_BYTES, format, list);
	va_end(list);
	return result;
}

static enum uvh_request_result say_gone(struct wait *wait)
{
	return say(wait, UVH_REQUEST_FAILED, "process %d has ended, or become another program",
		   (int) wait->process->pid);
}

/* False: the process has ended meanwhile. */
static bool pause_for(const struct wait *wait, int64_t ns)
{
	const struct timespec time = {.tv_nsec = (long) ns};
	struct pollfd process = {.fd = wait->process->pidfd, .events = POLLIN};

	return ppoll(&process, 1, &time, NULL) <= 0;
}

/* Whose pid it is: the folder says that this process still had it when the pidfd was made. */
static enum uvh_request_result open_pidfd(struct wait *wait)
{
	struct uvh_process *process = wait->process;
	struct uvh_process_facts facts;

	if (process->pidfd < 0) {
		process->pidfd = (int) syscall(SYS_pidfd_open, process->pid, 0);
		if (process->pidfd < 0 && errno != ESRCH)
			return say(wait, UVH_REQUEST_FAILED, "pidfd_open: %s; Linux 5.6 has it",
				   strerror(errno));
	}
	if (process->pidfd < 0 || !uvh_process_facts(process->folder, &facts))
		return say_gone(wait);
	return UVH_REQUEST_DONE;
}

static enum uvh_request_result take_turn(struct wait *wait)
{
	while (flock(wait->process->memory, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return say(wait, UVH_REQUEST_FAILED, "flock: %s", strerror(errno));
		if (now_ns() >= wait->end_ns)
			return say(wait, UVH_REQUEST_BUSY,
				   "another command is talking to process %d and takes its time; "
				   "try again when it has ended",
				   (int) wait->process->pid);
		if (!pause_for(wait, ASK_LOCK_NS))
			return say_gone(wait);
	}
	return UVH_REQUEST_DONE;
}

static bool is_wakeable(const struct uvhooks_control_loop *loop)
{
	/* The address of one that is being closed is odd. */
	return loop->loop != 0 && loop->loop % 2 == 0 && loop->waker_pending != 0;
}

struct candidate {
	uint16_t place;
	uint16_t space;
	bool is_busy; /* in a callback */
	uint32_t live;
};

struct candidates {
	struct candidate list[LOOPS_WOKEN_MAX];
	size_t count;
};

static void count_record(const struct uvhooks_control_record *record, void *data)
{
	struct candidates *candidates = data;

	for (size_t i = 0; i < candidates->count; i++)
		candidates->list[i].live += candidates->list[i].space == record->space;
}

static int compare(const void *one, const void *other)
{
	const struct candidate *a = one, *b = other;

	if (a->is_busy != b->is_busy)
		return a->is_busy ? 1 : -1;
	if (a->live != b->live)
		return a->live > b->live ? -1 : 1;
	return a->place < b->place ? -1 : 1;
}

/*
 * What a plugin tells of a loop it may know exactly only of the one on whose thread it is asked: so
 * the one that most resources are of comes first.
 */
static void find_loops(struct wait *wait)
{
	struct uvh_process *process = wait->process;
	struct candidates *candidates = calloc(1, sizeof(*candidates));
	struct uvhooks_control_frame frame;
	struct uvhooks_control_loop loop;

	wait->loops = 0;
	if (candidates == NULL)
		return;
	for (size_t i = 0; i < process->control.loop_count && i < LOOPS_WOKEN_MAX; i++) {
		if (!uvh_process_loop(process, i, &loop) || !is_wakeable(&loop))
			continue;
		uvh_process_frame(process, &loop, &frame);
		candidates->list[candidates->count++] = (struct candidate){
		    .place = (uint16_t) i,
		    .space = (uint16_t) loop.space,
		    .is_busy = uvhooks_id_sequence(frame.async_id) != 0,
		};
	}
	if (candidates->count > 1)
		uvh_process_each_record(process, count_record, candidates);
	qsort(candidates->list, candidates->count, sizeof(candidates->list[0]), compare);
	for (; wait->loops < candidates->count; wait->loops++)
		wait->order[wait->loops] = candidates->list[wait->loops].place;
	free(candidates);
}

static bool is_eventfd(int fd)
{
	char path[64], target[64];
	ssize_t bytes;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	bytes = readlink(path, target, sizeof(target) - 1);
	if (bytes < 0)
		return false;
	target[bytes] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

/*
 * The copy is of the loop's eventfd only if the loop was there before and after it was made. One
 * that is full is read from soon anyhow, and must not make us wait.
 */
void uvh_process_wake(struct uvh_process *process, size_t place)
{
	struct uvhooks_control_loop before, after;
	const uint64_t one = 1;
	const int pending = PENDING;
	int number, copy;

	if (!uvh_process_loop(process, place, &before) || !is_wakeable(&before) ||
	    !uvh_process_copy(process, before.wake_fd, &number, sizeof(number)) || number < 0)
		return;
	copy = (int) syscall(SYS_pidfd_getfd, process->pidfd, number, 0);
	if (copy < 0)
		return;
	if (is_eventfd(copy) && uvh_process_loop(process, place, &after) &&
	    memcmp(&before, &after, sizeof(before)) == 0 &&
	    uvh_process_write(process, before.waker_pending, &pending, sizeof(pending))) {
		struct pollfd room = {.fd = copy, .events = POLLOUT};

		if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT))
			(void) !write(copy, &one, sizeof(one));
	}
	close(copy);
}

static void wake_next(struct wait *wait)
{
	const int64_t now = now_ns();

	if (now < wait->wake_ns)
		return;
	if (wait->next == wait->loops) {
		find_loops(wait);
		wait->next = 0;
	}
	if (wait->next < wait->loops)
		uvh_process_wake(wait->process, wait->order[wait->next++]);
	wait->wake_ns = now + wait->wake_every_ns;
}

/* Not one that the process may still be working off, for somebody who has given up waiting. */
static uint32_t fresh_number(const struct uvhooks_control *control)
{
	uint32_t number = 0;

	while (number == 0 || number == control->answered || number == control->request)
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			number = control->answered + 1 != 0 ? control->answered + 1 : 1;
	return number;
}

static bool put_request(struct wait *wait, const char *text)
{
	struct uvh_process *process = wait->process;
	const uint64_t text_end = process->control.request_text + UVHOOKS_CONTROL_REQUEST_BYTES;
	struct uvhooks_control control;
	const uint32_t none = 0;

	/* What somebody else left there is no part of it. */
	if (!uvh_process_control(process, &control) ||
	    !uvh_process_write(process, FIELD(request), &none, sizeof(none)) ||
	    !uvh_process_write(process, text_end - 1, "", 1))
		return false;
	wait->number = fresh_number(&control);
	return uvh_process_write(process, process->control.request_text, text, strlen(text) + 1) &&
	       uvh_process_write(process, FIELD(request), &wait->number, sizeof(wait->number));
}

static enum uvh_request_result take_answer(struct wait *wait, int *status)
{
	struct uvh_process *process = wait->process;
	const size_t room = UVHOOKS_CONTROL_ANSWER_BYTES;
	int32_t result;
	char *text = calloc(1, room);

	if (text == NULL || !uvh_process_copy(process, FIELD(status), &result, sizeof(result)) ||
	    !uvh_process_copy(process, process->control.answer_text, text, room)) {
		free(text);
		return say_gone(wait);
	}
	text[room - 1] = '\0';
	/* Line by line, so that the ends of lines stay what they are. */
	wait->answer[0] = '\0';
	for (char *line = text, *end; *line != '\0'; line = end) {
		const size_t used = strlen(wait->answer);

		end = line + strcspn(line, "\n");
		if (*end == '\n')
			*end++ = '\0';
		uvh_clean_text(line, true, wait->answer + used, room - used);
		if (end[-1] == '\0' && strlen(wait->answer) + 1 < room)
			strcat(wait->answer, "\n");
	}
	*status = result;
	free(text);
	return UVH_REQUEST_DONE;
}

/* True: it is answered. */
static bool wait_for_answer(struct wait *wait, bool *gone)
{
	struct uvh_process *process = wait->process;
	int64_t pause_ns = ASK_LEAST_NS;
	uint32_t answered;

	for (;;) {
		wake_next(wait);
		*gone = !uvh_process_copy(process, FIELD(answered), &answered, sizeof(answered));
		if (*gone || answered == wait->number)
			return !*gone;
		if (now_ns() >= wait->end_ns)
			return false;
		/* An end of the process is noticed when its memory is gone. */
		pause_for(wait, pause_ns);
		if (pause_ns < ASK_MOST_NS)
			pause_ns *= 2;
	}
}

struct told {
	struct wait *wait;
	struct uvh_words words;
	size_t loops;
};

static void add_loop(const struct uvhooks_control_loop *loop,
		     const struct uvhooks_control_frame *frame, void *data)
{
	struct told *told = data;
	char text[UVH_PROCESS_DOES_BYTES];

	if (told->loops++ >= LOOPS_TOLD)
		return;
	uvh_add(&told->words, "\nloop 0x%" PRIx64 " %s", loop->loop,
		uvh_process_does(told->wait->process, frame, text));
	if (loop->waker_pending == 0)
		uvh_add(&told->words,
			"; it cannot be woken: its libuv is unlike those that are known");
}

static enum uvh_request_result say_no_answer(struct wait *wait, const char *what)
{
	struct told told = {wait, {wait->answer, UVHOOKS_CONTROL_ANSWER_BYTES, 0}, 0};
	char time[UVH_TEXT_ROOM];
	struct uvh_process_facts facts;

	if (!uvh_process_facts(wait->process->folder, &facts))
		return say_gone(wait);
	if (what != NULL)
		uvh_add(&told.words, "%s", what);
	else
		uvh_add(&told.words,
			"no loop of process %d has answered in %s, and the request is taken back:",
			(int) wait->process->pid,
			uvh_duration_text(now_ns() - wait->begin_ns, time));
	if (facts.state == 'T' || facts.state == 't')
		uvh_add(&told.words,
			"\nthe process is stopped, by a signal or a debugger: kill -CONT %d",
			(int) wait->process->pid);
	uvh_process_each_loop(wait->process, add_loop, &told);
	if (told.loops > LOOPS_TOLD)
		uvh_add(&told.words, "\nand %zu loops more", told.loops - LOOPS_TOLD);
	return UVH_REQUEST_NO_ANSWER;
}

static enum uvh_request_result finish(struct wait *wait, int *status)
{
	struct uvh_process *process = wait->process;
	struct uvhooks_control control;
	const uint32_t none = 0;
	bool gone;

	if (wait_for_answer(wait, &gone))
		return take_answer(wait, status);
	if (gone)
		return say_gone(wait);
	/* Taken back; unless the process was about to answer. */
	if (!uvh_process_write(process, FIELD(request), &none, sizeof(none)) ||
	    !uvh_process_control(process, &control))
		return say_gone(wait);
	if (control.answered == wait->number)
		return take_answer(wait, status);
	return say_no_answer(wait, NULL);
}

static enum uvh_request_result ask(struct wait *wait, const char *text, int *status)
{
	struct uvh_process *process = wait->process;
	struct uvhooks_control control;
	char why[128];

	if (!uvh_process_control(process, &control))
		return say_gone(wait);
	find_loops(wait);
	if (wait->loops == 0) {
		snprintf(why, sizeof(why), "process %d has no loop that could do it%s",
			 (int) process->pid,
			 control.state & (UVHOOKS_CONTROL_DISABLED | UVHOOKS_CONTROL_BROKEN)
			     ? ": the shim in it is switched off"
			     : ": none has run yet");
		return say_no_answer(wait, why);
	}
	wait->wake_every_ns = (wait->end_ns - wait->begin_ns) / (int64_t) (wait->loops + 1);
	if (wait->wake_every_ns > WAKE_NEXT_NS)
		wait->wake_every_ns = WAKE_NEXT_NS;
	if (!put_request(wait, text))
		return say_gone(wait);
	return finish(wait, status);
}

enum uvh_request_result uvh_process_request(struct uvh_process *process, const char *text,
					    int64_t timeout_ns, int *status, char *answer)
{
	struct wait wait = {.process = process, .begin_ns = now_ns(), .answer = answer};
	enum uvh_request_result result;

	*status = 0;
	answer[0] = '\0';
	wait.end_ns = wait.begin_ns + timeout_ns;
	if (strlen(text) >= UVHOOKS_CONTROL_REQUEST_BYTES)
		return say(&wait, UVH_REQUEST_FAILED, "that is too long: %d bytes are the most",
			   UVHOOKS_CONTROL_REQUEST_BYTES - 1);
	if (!process->writable)
		return say(&wait, UVH_REQUEST_FAILED, "process %d was opened to be read only",
			   (int) process->pid);
	result = open_pidfd(&wait);
	if (result == UVH_REQUEST_DONE)
		result = take_turn(&wait);
	if (result != UVH_REQUEST_DONE)
		return result;
	result = ask(&wait, text, status);
	flock(process->memory, LOCK_UN);
	return result;
}
