/* SPDX-License-Identifier: MIT */
#include "report_histogram.h"

#include <math.h>
#include <stdlib.h>

#include "memory.h"

#define BUCKETS (1u << UVH_HISTOGRAM_BITS)

void uvh_histogram_block(struct uvh_histogram *histogram, unsigned int block)
{
	histogram->blocks[block] = uvh_zeros(BUCKETS, sizeof(uint64_t));
}

void uvh_histogram_merge(struct uvh_histogram *into, const struct uvh_histogram *from)
{
	for (unsigned int block = 0; block < UVH_HISTOGRAM_BLOCKS; block++) {
		if (from->blocks[block] == NULL)
			continue;
		if (into->blocks[block] == NULL)
			uvh_histogram_block(into, block);
		for (unsigned int i = 0; i < BUCKETS; i++)
			into->blocks[block][i] += from->blocks[block][i];
	}
	if (from->count > 0 && (into->count == 0 || from->min_ns < into->min_ns))
		into->min_ns = from->min_ns;
	into->count += from->count;
	into->sum_ns += from->sum_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
}

/* The middle of a bucket: block 0 and 1 have one value in each, block 2 two, block 3 four. */
static int64_t middle(unsigned int block, unsigned int bucket)
{
	unsigned int shift = block == 0 ? 0 : block - 1;
	uint64_t first = (uint64_t) ((block == 0 ? 0 : BUCKETS) + bucket) << shift;

	return (int64_t) (first + ((UINT64_C(1) << shift) - 1) / 2);
}

static int64_t between(const struct uvh_histogram *histogram, int64_t ns)
{
	if (ns < histogram->min_ns)
		return histogram->min_ns;
	return ns > histogram->max_ns ? histogram->max_ns : ns;
}

int64_t uvh_histogram_percentile(const struct uvh_histogram *histogram, double share)
{
	uint64_t rank = (uint64_t) ceil(share * (double) histogram->count);
	uint64_t seen = 0;

	if (rank == 0)
		rank = 1;
	for (unsigned int block = 0; block < UVH_HISTOGRAM_BLOCKS; block++) {
		for (unsigned int i = 0; histogram->blocks[block] != NULL && i < BUCKETS; i++) {
			seen += histogram->blocks[block][i];
			if (seen < rank)
				continue;
			return between(histogram, middle(block, i));
		}
	}
	return 0;
}

int64_t uvh_histogram_mean(const struct uvh_histogram *histogram)
{
	return histogram->count == 0 ? 0 : histogram->sum_ns / (int64_t) histogram->count;
}

void uvh_histogram_free(struct uvh_histogram *histogram)
{
	for (unsigned int block = 0; block < UVH_HISTOGRAM_BLOCKS; block++)
		free(histogram->blocks[block]);
	*histogram = (struct uvh_histogram){0};
}
