/* SPDX-License-Identifier: MIT */
/*
 * Who caused a resource: its trigger, that one's trigger, and so on up to top-level code, as short
 * as it can be told. Ancestors of one kind in a row are one link, however many: a callback that
 * made its like again and again.
 */
#ifndef UVH_TRIGGER_CHAIN_H
#define UVH_TRIGGER_CHAIN_H

#include "json.h"
#include "trace.h"

#define UVH_CHAIN_LINKS 12  /* so many kinds of ancestors are told */
#define UVH_CHAIN_STEPS 256 /* so many ancestors are looked at */

struct uvh_chain_link {
	uint64_t callback;
	uint16_t type;
	int16_t fs_type;
	bool repeated; /* its trigger was alike, and perhaps that one's, too */
};

struct uvh_chain {
	const struct uvh_trace_process *process;
	struct uvh_chain_link links[UVH_CHAIN_LINKS]; /* itself, its trigger, ... */
	unsigned int link_count;
	enum uvh_root { UVH_ROOT_TOP, UVH_ROOT_LIBUV, UVH_ROOT_UNKNOWN, UVH_ROOT_FAR } root;
	unsigned int root_space;
};

/* `callback_of` says what the callback of a resource was, be it alive or an ancestor. */
void uvh_chain_of(const struct uvh_trace_resource *resource,
		  uint64_t (*callback_of)(const struct uvh_trace_resource *resource),
		  struct uvh_chain *chain);

uint32_t uvh_chain_hash(const struct uvh_chain *chain);
bool uvh_chain_is_alike(const struct uvh_chain *one, const struct uvh_chain *other);

/* "TIMERWRAP on_timeout < TCPSERVERWRAP on_connection < top level", from the link `first` on. */
void uvh_chain_print(const struct uvh_chain *chain, unsigned int first);

/* "chain": the links behind the first, and "root". */
void uvh_chain_json(struct uvh_json *json, const struct uvh_chain *chain);

/* The keys "type", "uv_type" and, of a request of the file system, "call". */
void uvh_json_type(struct uvh_json *json, const struct uvh_trace_process *process,
		   unsigned int type, int fs_type);

/* The key "callback"; null where there is none. */
void uvh_json_callback(struct uvh_json *json, const struct uvh_trace_process *process,
		       uint64_t callback);

#define UVH_TYPE_TEXT_BYTES 256

/* "TIMERWRAP", "FSREQCALLBACK (uv_fs_open)" */
const char *uvh_type_text(const struct uvh_trace_process *process, unsigned int type, int fs_type,
			  char text[UVH_TYPE_TEXT_BYTES]);

/* "uv_fs_open" of a call, else libuv's name of the type; "" where libuv has none. */
const char *uvh_uv_name(unsigned int type, int fs_type);

#endif
