/* SPDX-License-Identifier: MIT */
/*
 * Names, each kept once. Programs have few; so a name is looked up by what it is made of, and only
 * the first time by its text.
 */
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "export.h"
#include "terminal.h"

#define NAME_BYTES 512

/* What a name is made of. */
struct origin {
	const struct uvh_trace_process *process;
	uint64_t callback; /* UINT64_MAX: the name of a resource */
	uint32_t kind;     /* type and fs_type */
	struct uvh_export_name *name;
};

struct uvh_export_names {
	struct uvh_export_name **names;
	size_t name_count, name_room;
	struct uvh_index name_index;
	struct origin *origins;
	size_t origin_count, origin_room;
	struct uvh_index origin_index;
};

struct uvh_export_names *uvh_export_names_new(void)
{
	return uvh_zeros(1, sizeof(struct uvh_export_names));
}

void uvh_export_names_free(struct uvh_export_names *names)
{
	for (size_t i = 0; i < names->name_count; i++) {
		free((char *) names->names[i]->text);
		free(names->names[i]);
	}
	uvh_index_free(&names->name_index);
	uvh_index_free(&names->origin_index);
	free(names->names);
	free(names->origins);
	free(names);
}

struct uvh_export_name *uvh_export_name(struct uvh_export_names *names, const char *text)
{
	char clean[NAME_BYTES];
	struct uvh_export_name *name;
	uint32_t hash, row;
	size_t at = 0;

	uvh_clean_text(text, true, clean, sizeof(clean));
	hash = uvh_hash_text(0, clean);
	while ((row = uvh_index_next(&names->name_index, hash, &at)) != UVH_INDEX_END)
		if (strcmp(names->names[row]->text, clean) == 0)
			return names->names[row];
	name = uvh_zeros(1, sizeof(*name));
	name->text = uvh_copy_text(clean);
	name->index = (uint32_t) names->name_count;
	names->names = uvh_grow(names->names, &names->name_room, names->name_count + 1,
				sizeof(struct uvh_export_name *));
	names->names[names->name_count++] = name;
	uvh_index_add(&names->name_index, hash, name->index);
	return name;
}

/* "TIMERWRAP", "FSREQCALLBACK open", "TIMERWRAP on_timer" */
static struct uvh_export_name *compose(struct uvh_export_names *names,
				       const struct uvh_trace_process *process, unsigned int type,
				       int fs_type, const char *callback)
{
	const char *call = uvhooks_fs_name(fs_type);
	char text[NAME_BYTES];

	snprintf(text, sizeof(text), "%s%s%s%s%s", uvh_trace_type_name(process, type),
		 call == NULL ? "" : " ", call == NULL ? "" : call, callback == NULL ? "" : " ",
		 callback == NULL ? "" : callback);
	return uvh_export_name(names, text);
}

static struct uvh_export_name *find(struct uvh_export_names *names,
				    const struct uvh_trace_process *process, unsigned int type,
				    int fs_type, uint64_t callback)
{
	uint32_t kind = type << 16 | (uint16_t) fs_type;
	uint32_t hash = uvh_hash(uvh_hash(process->index, kind), callback);
	struct uvh_export_name *name;
	uint32_t row;
	size_t at = 0;

	while ((row = uvh_index_next(&names->origin_index, hash, &at)) != UVH_INDEX_END) {
		const struct origin *origin = &names->origins[row];

		if (origin->process == process && origin->callback == callback &&
		    origin->kind == kind)
			return origin->name;
	}
	if (callback == UINT64_MAX || callback == 0) {
		name = compose(names, process, type, fs_type, NULL);
	} else {
		const char *function = uvh_readable_callback(process, callback);

		name = compose(names, process, type, fs_type, function);
		name->callback = uvh_export_name(names, function);
	}
	name->type = uvh_export_name(names, uvh_trace_type_name(process, type));
	names->origins = uvh_grow(names->origins, &names->origin_room, names->origin_count + 1,
				  sizeof(*names->origins));
	names->origins[names->origin_count] = (struct origin){process, callback, kind, name};
	uvh_index_add(&names->origin_index, hash, (uint32_t) names->origin_count++);
	return name;
}

struct uvh_export_name *uvh_export_name_of_callback(struct uvh_export_names *names,
						    const struct uvh_trace_process *process,
						    unsigned int type, int fs_type,
						    uint64_t callback)
{
	return find(names, process, type, fs_type, callback);
}

struct uvh_export_name *uvh_export_name_of_resource(struct uvh_export_names *names,
						    const struct uvh_trace_process *process,
						    unsigned int type, int fs_type)
{
	return find(names, process, type, fs_type, UINT64_MAX);
}

const char *uvh_export_program(const struct uvh_trace_process *process)
{
	const char *slash = strrchr(process->program, '/');
	const char *name = slash == NULL ? process->program : slash + 1;

	return name[0] == '\0' ? "?" : name;
}

const char *uvh_export_how(enum uvhooks_event_type how)
{
	switch (how) {
	case UVHOOKS_EVENT_WAKEUP:
		return "send";
	case UVHOOKS_EVENT_WORK_END:
		return "work done";
	case UVHOOKS_EVENT_PROMISE_RESOLVE:
		return "resolve";
	default:
		return uvhooks_event_name(how);
	}
}

const char *uvh_export_flags(unsigned int flags, char text[UVH_EXPORT_FLAGS_BYTES])
{
	size_t used = 0;

	text[0] = '\0';
	for (; flags != 0 && used < UVH_EXPORT_FLAGS_BYTES; flags &= flags - 1)
		used += (size_t) snprintf(text + used, UVH_EXPORT_FLAGS_BYTES - used, "%s%s",
					  used == 0 ? "" : ", ", uvhooks_flag_name(flags & -flags));
	return text;
}
