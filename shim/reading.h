/* SPDX-License-Identifier: MIT */
/*
 * Which resources are read from: of them that they are armed means UVHOOKS_STATE_READING. For the
 * shim in a process, and for the tools that conclude the one from the other.
 */
#ifndef UVH_READING_H
#define UVH_READING_H

#include <stdbool.h>
#include <uvhooks/types.h>

/* Does it begin as an uv_stream_t? */
static inline bool uvh_is_stream(unsigned int type)
{
	switch (type) {
	case UVHOOKS_TCPWRAP:
	case UVHOOKS_TCPSERVERWRAP:
	case UVHOOKS_PIPEWRAP:
	case UVHOOKS_PIPESERVERWRAP:
	case UVHOOKS_TTYWRAP:
		return true;
	}
	return false;
}

static inline bool uvh_is_read(unsigned int type)
{
	return uvh_is_stream(type) || type == UVHOOKS_UDPWRAP;
}

#endif
