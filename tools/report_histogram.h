/* SPDX-License-Identifier: MIT */
/*
 * How long things took, in little memory: how many, their sum, the longest, and percentiles.
 *
 * Counted in buckets, 32 to each power of two: below 64 ns exactly, above that a percentile is at
 * most 1/64 (1.6 %) away from a duration that occurred. Sum, mean, minimum and maximum are exact.
 * Memory is 256 bytes for each power of two that occurs, 15 KiB at the most.
 */
#ifndef UVH_REPORT_HISTOGRAM_H
#define UVH_REPORT_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define UVH_HISTOGRAM_BITS   5 /* 32 buckets to a power of two */
#define UVH_HISTOGRAM_BLOCKS (64 - UVH_HISTOGRAM_BITS)

/* Zeros are an empty one. */
struct uvh_histogram {
	uint64_t count;
	int64_t sum_ns;
	int64_t min_ns;
	int64_t max_ns;
	uint64_t *blocks[UVH_HISTOGRAM_BLOCKS]; /* NULL: nothing in these 32 buckets */
};

void uvh_histogram_block(struct uvh_histogram *histogram, unsigned int block);

/* Negative durations count as 0. */
static inline void uvh_histogram_add(struct uvh_histogram *histogram, int64_t ns)
{
	uint64_t value = ns < 0 ? 0 : (uint64_t) ns;
	unsigned int block = 0;

	if (value >> UVH_HISTOGRAM_BITS != 0)
		block = UVH_HISTOGRAM_BLOCKS - (unsigned int) __builtin_clzll(value);
	if (histogram->blocks[block] == NULL)
		uvh_histogram_block(histogram, block);
	histogram->blocks[block][(value >> (block == 0 ? 0 : block - 1)) &
				 ((1 << UVH_HISTOGRAM_BITS) - 1)]++;
	if (histogram->count++ == 0 || (int64_t) value < histogram->min_ns)
		histogram->min_ns = (int64_t) value;
	histogram->sum_ns += (int64_t) value;
	if ((int64_t) value > histogram->max_ns)
		histogram->max_ns = (int64_t) value;
}

void uvh_histogram_merge(struct uvh_histogram *into, const struct uvh_histogram *from);

/* The duration that `share` of them (0.5, 0.99) do not exceed; 0 where there are none. */
int64_t uvh_histogram_percentile(const struct uvh_histogram *histogram, double share);

int64_t uvh_histogram_mean(const struct uvh_histogram *histogram);

void uvh_histogram_free(struct uvh_histogram *histogram);

#endif
