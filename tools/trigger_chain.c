/* SPDX-License-Identifier: MIT */
#include "trigger_chain.h"

#include <stdio.h>
#include <string.h>

#include "demangle.h"
#include "memory.h"
#include "terminal.h"

static enum uvh_root root_of(const struct uvh_trace_resource *last)
{
	uvhooks_async_id trigger = last->trigger_async_id;

	if (last->trigger != NULL)
		return UVH_ROOT_FAR;
	if (uvhooks_id_sequence(trigger) == 1)
		return UVH_ROOT_TOP;
	return uvhooks_id_sequence(trigger) == 0 && last->init_seen ? UVH_ROOT_LIBUV
								    : UVH_ROOT_UNKNOWN;
}

static bool is_same_link(const struct uvh_chain_link *one, const struct uvh_chain_link *other)
{
	return one->callback == other->callback && one->type == other->type &&
	       one->fs_type == other->fs_type;
}

void uvh_chain_of(const struct uvh_trace_resource *resource,
		  uint64_t (*callback_of)(const struct uvh_trace_resource *resource),
		  struct uvh_chain *chain)
{
	const struct uvh_trace_resource *last = resource;

	chain->process = resource->process;
	chain->link_count = 0;
	for (unsigned int steps = 0; resource != NULL && steps < UVH_CHAIN_STEPS; steps++) {
		struct uvh_chain_link link = {
		    .callback = callback_of(resource),
		    .type = resource->type,
		    .fs_type = resource->fs_type,
		};
		unsigned int count = chain->link_count;

		if (count > 1 && is_same_link(&chain->links[count - 1], &link))
			chain->links[count - 1].repeated = true;
		else if (count == UVH_CHAIN_LINKS)
			break;
		else
			chain->links[chain->link_count++] = link;
		last = resource;
		resource = resource->trigger;
	}
	chain->root = root_of(last);
	chain->root_space = uvhooks_id_space(last->trigger_async_id);
}

uint32_t uvh_chain_hash(const struct uvh_chain *chain)
{
	uint32_t hash =
	    uvh_hash((uintptr_t) chain->process, chain->root + ((uint64_t) chain->root_space << 8));

	for (unsigned int i = 0; i < chain->link_count; i++)
		hash = uvh_hash(hash + chain->links[i].repeated,
				chain->links[i].callback ^ ((uint64_t) chain->links[i].type << 48) ^
				    ((uint64_t) (uint16_t) chain->links[i].fs_type << 32));
	return hash;
}

bool uvh_chain_is_alike(const struct uvh_chain *one, const struct uvh_chain *other)
{
	if (one->process != other->process || one->link_count != other->link_count ||
	    one->root != other->root || one->root_space != other->root_space)
		return false;
	for (unsigned int i = 0; i < one->link_count; i++)
		if (!is_same_link(&one->links[i], &other->links[i]) ||
		    one->links[i].repeated != other->links[i].repeated)
			return false;
	return true;
}

static void print_root(const struct uvh_chain *chain)
{
	switch (chain->root) {
	case UVH_ROOT_TOP:
		if (chain->root_space == 0)
			printf("top level");
		else
			printf("top level of %u", chain->root_space);
		break;
	case UVH_ROOT_LIBUV:
		printf("libuv");
		break;
	case UVH_ROOT_UNKNOWN:
		printf("not known");
		break;
	case UVH_ROOT_FAR:
		printf("...");
		break;
	}
}

void uvh_chain_print(const struct uvh_chain *chain, unsigned int first)
{
	char text[UVH_TYPE_TEXT_BYTES];

	for (unsigned int i = first; i < chain->link_count; i++) {
		const struct uvh_chain_link *link = &chain->links[i];

		fputs(uvh_type_text(chain->process, link->type, link->fs_type, text), stdout);
		if (link->callback != 0)
			printf(" %s", uvh_readable_callback(chain->process, link->callback));
		printf("%s < ", link->repeated ? ", again and again" : "");
	}
	print_root(chain);
}

void uvh_chain_json(struct uvh_json *json, const struct uvh_chain *chain)
{
	static const char *const roots[] = {
	    [UVH_ROOT_TOP] = "top level",
	    [UVH_ROOT_LIBUV] = "libuv",
	    [UVH_ROOT_UNKNOWN] = "not known",
	    [UVH_ROOT_FAR] = "cut",
	};

	uvh_json_array(json, "chain");
	for (unsigned int i = 1; i < chain->link_count; i++) {
		const struct uvh_chain_link *link = &chain->links[i];

		uvh_json_object(json, NULL);
		uvh_json_type(json, chain->process, link->type, link->fs_type);
		uvh_json_callback(json, chain->process, link->callback);
		if (link->repeated)
			uvh_json_bool(json, "repeated", true);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_text(json, "root", roots[chain->root]);
}

void uvh_json_type(struct uvh_json *json, const struct uvh_trace_process *process,
		   unsigned int type, int fs_type)
{
	uvh_json_text(json, "type", uvh_trace_type_name(process, type));
	uvh_json_text(json, "uv_type", uvhooks_uv_type_name(type));
	if (fs_type >= 0)
		uvh_json_text(json, "call", uvhooks_fs_name(fs_type));
}

void uvh_json_callback(struct uvh_json *json, const struct uvh_trace_process *process,
		       uint64_t callback)
{
	uvh_json_text(json, "callback",
		      callback == 0 ? NULL : uvh_trace_callback_name(process, callback));
}

const char *uvh_type_text(const struct uvh_trace_process *process, unsigned int type, int fs_type,
			  char text[UVH_TYPE_TEXT_BYTES])
{
	char name[UVH_TYPE_TEXT_BYTES / 2];

	uvh_clean_text(uvh_trace_type_name(process, type), true, name, sizeof(name));
	snprintf(text, UVH_TYPE_TEXT_BYTES, fs_type < 0 ? "%s" : "%s (%s)", name,
		 uvh_uv_name(type, fs_type));
	return text;
}

const char *uvh_uv_name(unsigned int type, int fs_type)
{
	static const char *const calls[] = {
#define XX(number, name) [number] = "uv_fs_" #name,
	    UVHOOKS_FS_MAP(XX)
#undef XX
	};
	const char *name;

	if (fs_type >= 0 && (size_t) fs_type < sizeof(calls) / sizeof(calls[0]))
		return calls[fs_type];
	name = uvhooks_uv_type_name(type);
	return strcmp(name, "none") == 0 ? "" : name;
}
