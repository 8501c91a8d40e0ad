/* SPDX-License-Identifier: MIT */
/* What `uvhooks pool` tells of what pool.h gathers. */
#ifndef UVH_POOL_TELL_H
#define UVH_POOL_TELL_H

#include "pool.h"
#include "trace_filter.h"

struct uvh_pool_tale {
	struct uvh_pool *pool;
	struct uvh_trace_filter *filter;
	struct uvh_pool_view view;
	uint32_t *order; /* of the view's lines: what held threads longest comes first */
	bool verbose;
};

/* How much of the thread time a line held while others waited. */
struct uvh_pool_share {
	uint32_t line;
	int64_t ns;
	double share;
};

/* Of those that kept a kind waiting, the most first. To be freed; NULL where nobody did. */
struct uvh_pool_share *uvh_pool_shares(const struct uvh_pool_tale *tale,
				       const struct uvh_pool_process *process,
				       enum uvh_pool_kind kind, size_t *count);

/* Is there anything of it that passes the filter? */
bool uvh_pool_is_told(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process);

static inline bool uvh_pool_line_is_told(const struct uvh_pool_line *line)
{
	return line->queue.count + line->service.count + line->untold + line->cancelled +
		   line->waiting + line->running >
	       0;
}

static inline bool uvh_pool_bucket_is_used(const struct uvh_pool_bucket *bucket)
{
	return bucket->busy_ns != 0 || bucket->waiting_ns != 0;
}

void uvh_pool_print(const struct uvh_pool_tale *tale);
void uvh_pool_json(const struct uvh_pool_tale *tale);

#endif
