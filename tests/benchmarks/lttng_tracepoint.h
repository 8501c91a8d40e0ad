/* SPDX-License-Identifier: MIT */
/* A tracepoint of LTTng-UST with three integers. It is included several times, as LTTng wants it.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER uvhooks_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_tracepoint.h"

#if !defined(LTTNG_TRACEPOINT_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_TRACEPOINT_H

#include <lttng/tracepoint.h>

/* clang-format off */
LTTNG_UST_TRACEPOINT_EVENT(
	uvhooks_bench,
	three,
	LTTNG_UST_TP_ARGS(uint64_t, id, uint64_t, callback, uint32_t, flags),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(uint64_t, id, id)
		lttng_ust_field_integer_hex(uint64_t, callback, callback)
		lttng_ust_field_integer(uint32_t, flags, flags)
	)
)
/* clang-format on */

#endif

#include <lttng/tracepoint-event.h>
