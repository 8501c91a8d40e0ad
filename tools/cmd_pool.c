/* SPDX-License-Identifier: MIT */
/* uvhooks pool: what filled the thread pool, and what waited for it. */
#include <stdlib.h>

#include "pool_tell.h"
#include "verb.h"

static const char help_head[] =
    "Usage: uvhooks pool [OPTION]... DIR\n"
    "\n"
    "Tells of the trace in DIR how full libuv's thread pool was: for how long all its threads "
    "were\n"
    "busy while others waited, what held them meanwhile and where that was asked for, and, by\n"
    "kind of work (uv_queue_work by its callback, file system calls, names that are looked up,\n"
    "random bytes), how long it waited for a thread and how long it held one.\n"
    "\n"
    "OPTIONS\n";

static const char help_tail[] =
    "With filters only what passes is listed by kind; how full the pool was counts all. libuv "
    "lets\n"
    "no more than half of the threads look up names at a time: where names wait for that, it is\n"
    "told, too.\n"
    "\n"
    "EXIT STATUS\n"
    "  0  done, be the pool full or not\n"
    "  1  parts of the trace could not be read, or the output could not be written\n"
    "  2  there is no trace in DIR, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks record --stacks -o trace -- ./server\n"
    "  uvhooks pool trace\n"
    "  uvhooks pool --type uv_fs_t --from 1.5 --to 2.5 trace\n"
    "  uvhooks pool --json trace\n";

struct request {
	struct uvh_pool pool;
	struct uvh_pool_tale tale;
	bool begun;
};

static void begin(struct uvh_question *question)
{
	struct request *request = question->data;
	int64_t from_ns, to_ns;

	if (request->begun)
		return;
	request->begun = true;
	uvh_trace_filter_window(question->filter, question->trace, &from_ns, &to_ns);
	uvh_pool_begin(&request->pool, question->trace, from_ns, to_ns);
}

static void add_event(struct uvh_question *question, const struct uvh_trace_event *event)
{
	struct request *request = question->data;

	begin(question);
	uvh_pool_add(&request->pool, event,
		     uvh_trace_filter_wants(question->filter, question->trace, event));
}

static bool wants(const struct uvh_trace_resource *resource, void *data)
{
	return uvh_trace_filter_wants_resource(data, resource);
}

/* Those that held threads, or waited, longest come first. */
static int64_t worth(const struct uvh_pool_line *line)
{
	return line->service.sum_ns + line->running_ns + line->queue.sum_ns + line->waiting_ns +
	       line->whole.sum_ns;
}

static int compare_lines(const void *one, const void *other, void *data)
{
	const struct uvh_pool_view *view = data;
	int64_t a = worth(&view->lines[*(const uint32_t *) one]);
	int64_t b = worth(&view->lines[*(const uint32_t *) other]);

	return (a < b) - (a > b);
}

static int compare_shares(const void *one, const void *other)
{
	const struct uvh_pool_share *a = one, *b = other;

	return (a->ns < b->ns) - (a->ns > b->ns);
}

struct uvh_pool_share *uvh_pool_shares(const struct uvh_pool_tale *tale,
				       const struct uvh_pool_process *process,
				       enum uvh_pool_kind kind, size_t *count)
{
	const struct uvh_pool_occupancy *occupancy = &process->occupancy;
	struct uvh_pool_share *shares = uvh_zeros(tale->view.count + 1, sizeof(*shares));
	int64_t all_ns = 0;

	for (size_t row = 0; row < tale->pool->row_count && row < occupancy->held_room; row++) {
		shares[tale->view.line_of[row]].ns += occupancy->held[row].ns[kind];
		all_ns += occupancy->held[row].ns[kind];
	}
	for (size_t i = 0; i < tale->view.count; i++) {
		shares[i].line = (uint32_t) i;
		shares[i].share = all_ns > 0 ? (double) shares[i].ns / (double) all_ns : 0;
	}
	qsort(shares, tale->view.count, sizeof(*shares), compare_shares);
	for (*count = 0; *count < tale->view.count && shares[*count].ns > 0; ++*count)
		;
	return shares;
}

bool uvh_pool_is_told(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process)
{
	for (size_t i = 0; i < tale->view.count; i++)
		if (tale->view.lines[i].row->process == process->process &&
		    uvh_pool_line_is_told(&tale->view.lines[i]))
			return true;
	return false;
}

static int tell(struct uvh_question *question)
{
	struct request *request = question->data;
	struct uvh_pool_tale *tale = &request->tale;

	begin(question);
	uvh_pool_end(&request->pool, wants, question->filter);
	tale->pool = &request->pool;
	tale->filter = question->filter;
	tale->verbose = question->verbose;
	uvh_pool_view(&request->pool, &tale->view);
	tale->order = uvh_zeros(tale->view.count + 1, sizeof(*tale->order));
	for (size_t i = 0; i < tale->view.count; i++)
		tale->order[i] = (uint32_t) i;
	qsort_r(tale->order, tale->view.count, sizeof(*tale->order), compare_lines, &tale->view);
	if (question->json)
		uvh_pool_json(tale);
	else
		uvh_pool_print(tale);
	free(tale->order);
	uvh_pool_view_free(&tale->view);
	uvh_pool_free(&request->pool);
	return UVH_OK;
}

int uvh_cmd_pool(int argc, char **argv)
{
	struct request request = {.begun = false};
	struct uvh_question question = {
	    .verb = "pool",
	    .help_head = help_head,
	    .help_tail = help_tail,
	    .event = add_event,
	    .tell = tell,
	    .data = &request,
	};

	return uvh_question_answer(&question, argc, argv);
}
