/* SPDX-License-Identifier: MIT */
/* The definitions: what addresses and numbers in the events mean. */
#include "trace_parts.h"

#include <stdlib.h>

/* The number and the time. */
#define HEAD_BYTES 10

/* What one process may define; what is more is damage, or an attack. */
#define DEFINITIONS_MAX ((size_t) 1 << 22)

/* A number that one record skips costs memory. Some may: of a stack without an address and without
   a frame nothing is said. */
#define GAP_MAX 16

/* A record, and what of it has been taken. */
struct definition {
	struct uvh_window *window;
	uint16_t number;
	uint64_t ticks;
	bool cut; /* it is longer than the packet */
};

static const unsigned char *take(struct definition *definition, size_t bytes)
{
	static const unsigned char none[64];
	struct uvh_window *window = definition->window;
	const unsigned char *at;

	uvh_window_fill(window, bytes);
	if ((size_t) (window->end - window->at) < bytes) {
		definition->cut = true;
		uvh_window_skip(window);
		return none;
	}
	at = window->at;
	window->at += bytes;
	return at;
}

static const char *take_text(struct definition *definition, struct uvh_folder *folder)
{
	struct uvh_window *window = definition->window;
	const unsigned char *end, *at;

	end = memchr(window->at, '\0', (size_t) (window->end - window->at));
	if (end == NULL) {
		uvh_window_fill(window, UVH_WINDOW_BYTES);
		end = memchr(window->at, '\0', (size_t) (window->end - window->at));
	}
	if (end == NULL) {
		definition->cut = true;
		uvh_window_skip(window);
		return "";
	}
	at = window->at;
	window->at = end + 1;
	return uvh_text(&folder->trace->texts, (const char *) at, (size_t) (end - at));
}

/* The fields of each kind, in the order of trace.h. */
struct fields {
	uint64_t begin, end, bias, address, stream_instance_id, monotonic_ns, realtime_ns, value;
	uint32_t thread_id, version, stack, line;
	uint16_t type, depth;
	uint8_t build_id[UVH_BUILD_ID_BYTES];
	const char *path, *name, *function, *module;
};

#define FIELD(bits, sign, name) fields->name = uvh_load##bits(take(definition, (bits) / 8));
#define BYTES(count, name)      memcpy(fields->name, take(definition, count), count);
#define STRING(name)            fields->name = take_text(definition, folder);

/* False: a number that no definition has. */
static bool take_fields(struct definition *definition, struct uvh_folder *folder,
			struct fields *fields)
{
	switch (definition->number) {
#define XX(number, name, take_all)                                                                 \
	case number:                                                                               \
		take_all(FIELD, BYTES, STRING) return true;
		UVHOOKS_TRACE_DEFINITION_MAP(XX)
#undef XX
	}
	return false;
}

static void define_type(struct uvh_folder *folder, const struct fields *fields)
{
	const char **item;

	if (fields->type < UVHOOKS_TYPE_NAMED)
		return;
	while (folder->types.count <= (size_t) fields->type - UVHOOKS_TYPE_NAMED) {
		if (uvh_array_add(&folder->types, sizeof(*item)) == NULL)
			return;
	}
	item = folder->types.items;
	item[fields->type - UVHOOKS_TYPE_NAMED] = fields->name;
}

/* The latest value of a counter counts. */
static void define_counter(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_trace_counter *counters = folder->counters.items, *counter = NULL;

	for (size_t i = 0; i < folder->counters.count; i++) {
		if (strcmp(counters[i].name, fields->name) == 0)
			counter = &counters[i];
	}
	if (counter == NULL && folder->counters.count < 256)
		counter = uvh_array_add(&folder->counters, sizeof(*counter));
	if (counter != NULL)
		*counter = (struct uvh_trace_counter){fields->name, fields->value};
}

static void define_clock(struct uvh_folder *folder, uint64_t ticks, const struct fields *fields)
{
	struct uvh_clock_pair pair = {ticks, fields->monotonic_ns, fields->realtime_ns};

	if (fields->realtime_ns > INT64_MAX || fields->monotonic_ns > INT64_MAX ||
	    fields->realtime_ns == 0)
		return;
	if (!folder->has_clock_pair)
		folder->first_clock = pair;
	folder->last_clock = pair;
	folder->has_clock_pair = true;
}

static void define_library(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_trace_library library = {
	    .begin = fields->begin,
	    .end = fields->end,
	    .bias = fields->bias,
	    .path = fields->path,
	};

	memcpy(library.build_id, fields->build_id, sizeof(library.build_id));
	if (folder->libraries == NULL)
		folder->libraries = uvh_trace_symbols_open();
	if (folder->libraries == NULL || uvh_trace_symbols_add(folder->libraries, &library) != 0)
		uvh_damage_memory(folder->trace);
}

static void define_symbol(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_symbol *symbol = NULL;

	if (folder->symbols.count < DEFINITIONS_MAX)
		symbol = uvh_array_add(&folder->symbols, sizeof(*symbol));
	if (symbol != NULL)
		*symbol = (struct uvh_symbol){fields->address, fields->name};
}

/* For who writes the symbols. */
static void define_callback(struct uvh_folder *folder, const struct fields *fields)
{
	uint64_t *address = NULL;

	if (folder->callbacks.count < DEFINITIONS_MAX)
		address = uvh_array_add(&folder->callbacks, sizeof(*address));
	if (address != NULL)
		*address = fields->address;
}

static void define_thread(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_thread_name *thread = NULL;

	if (folder->thread_names.count < DEFINITIONS_MAX)
		thread = uvh_array_add(&folder->thread_names, sizeof(*thread));
	if (thread != NULL)
		*thread = (struct uvh_thread_name){fields->stream_instance_id, fields->thread_id,
						   fields->name};
}

/* Stacks come in the order of their numbers, each whole; what does not is damage. */
static struct uvh_stack_parts *stack_of(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_stack_parts *stacks;

	if (fields->stack == 0 || fields->stack > DEFINITIONS_MAX ||
	    fields->stack > folder->stacks.count + GAP_MAX)
		return NULL;
	while (folder->stacks.count < fields->stack) {
		struct uvh_stack_parts *added = uvh_array_add(&folder->stacks, sizeof(*added));

		if (added == NULL)
			return NULL;
		added->shown.number = (uint32_t) folder->stacks.count;
		added->first_address = folder->addresses.count;
		added->first_frame = folder->frames.count;
	}
	stacks = folder->stacks.items;
	return &stacks[fields->stack - 1];
}

static void define_stack_address(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_stack_parts *stack = stack_of(folder, fields);
	uint64_t *address;

	if (stack == NULL || fields->depth != stack->shown.address_count ||
	    folder->addresses.count != stack->first_address + fields->depth ||
	    folder->addresses.count >= DEFINITIONS_MAX)
		return;
	address = uvh_array_add(&folder->addresses, sizeof(*address));
	if (address == NULL)
		return;
	*address = fields->address;
	stack->shown.address_count++;
}

static void define_stack_frame(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_stack_parts *stack = stack_of(folder, fields);
	struct uvh_trace_frame *frame;

	if (stack == NULL || fields->depth != stack->shown.frame_count ||
	    folder->frames.count != stack->first_frame + fields->depth ||
	    folder->frames.count >= DEFINITIONS_MAX)
		return;
	frame = uvh_array_add(&folder->frames, sizeof(*frame));
	if (frame == NULL)
		return;
	*frame = (struct uvh_trace_frame){fields->function, fields->path, fields->line};
	stack->shown.frame_count++;
}

static void define_line(struct uvh_folder *folder, const struct fields *fields)
{
	struct uvh_line_group *groups = folder->line_groups.items, *group = NULL;
	struct uvh_trace_line *line;

	if (folder->lines.count >= DEFINITIONS_MAX)
		return;
	if (folder->line_groups.count != 0)
		group = &groups[folder->line_groups.count - 1];
	if (group == NULL || group->address != fields->address) {
		group = uvh_array_add(&folder->line_groups, sizeof(*group));
		if (group == NULL)
			return;
		group->address = fields->address;
		group->first = folder->lines.count;
	}
	line = uvh_array_add(&folder->lines, sizeof(*line));
	if (line == NULL)
		return;
	*line = (struct uvh_trace_line){
	    .function = fields->function,
	    .path = fields->path,
	    .line = fields->line,
	    .module = fields->module,
	};
	group->count++;
}

static void define(struct uvh_folder *folder, const struct definition *definition,
		   const struct fields *fields)
{
	switch ((enum uvhooks_trace_definition) definition->number) {
	case UVHOOKS_TRACE_DEFINITION_library:
		define_library(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_symbol:
		define_symbol(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_type:
		define_type(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_thread:
		define_thread(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_clock:
		define_clock(folder, definition->ticks, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_counter:
		define_counter(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_end:
		folder->process.ended = true;
		break;
	case UVHOOKS_TRACE_DEFINITION_stop:
		folder->process.stopped = true;
		break;
	case UVHOOKS_TRACE_DEFINITION_libuv:
		folder->process.libuv_version = fields->version;
		folder->process.libuv_path = fields->path;
		break;
	case UVHOOKS_TRACE_DEFINITION_callback:
		define_callback(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_stack_address:
		define_stack_address(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_stack_frame:
		define_stack_frame(folder, fields);
		break;
	case UVHOOKS_TRACE_DEFINITION_line:
		define_line(folder, fields);
		break;
	}
}

static void read_packet(struct uvh_folder *folder, struct uvh_window *window)
{
	struct definition definition = {.window = window};
	struct fields fields;

	for (;;) {
		uint64_t offset = uvh_window_offset(window);

		uvh_window_fill(window, HEAD_BYTES);
		if (window->at == window->end)
			return;
		definition.number = uvh_load16(take(&definition, 2));
		definition.ticks = uvh_load64(take(&definition, 8));
		fields = (struct fields){.path = "", .name = "", .function = "", .module = ""};
		if (!take_fields(&definition, folder, &fields)) {
			uvh_damage(folder->trace, folder->name, window->file->name, offset,
				   "%u is no definition; the rest of this packet was left out",
				   definition.number);
			uvh_window_skip(window);
			return;
		}
		if (definition.cut) {
			uvh_damage(folder->trace, folder->name, window->file->name, offset,
				   "a definition is longer than its packet; it was left out");
			return;
		}
		define(folder, &definition, &fields);
	}
}

static int by_address(const void *left, const void *right)
{
	const struct uvh_symbol *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return 0;
}

static int by_line_address(const void *left, const void *right)
{
	const struct uvh_line_group *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

/* The arrays do not grow any more: what was counted can be pointed to. */
static void settle_stacks(struct uvh_folder *folder)
{
	struct uvh_stack_parts *stacks = folder->stacks.items;
	const uint64_t *addresses = folder->addresses.items;
	const struct uvh_trace_frame *frames = folder->frames.items;

	for (size_t i = 0; i < folder->stacks.count; i++) {
		struct uvh_stack_parts *stack = &stacks[i];

		stack->shown.addresses =
		    stack->shown.address_count == 0 ? NULL : addresses + stack->first_address;
		stack->shown.frames =
		    stack->shown.frame_count == 0 ? NULL : frames + stack->first_frame;
	}
	folder->process.stack_count = (uint32_t) folder->stacks.count;
	folder->process.has_stacks = folder->stacks.count != 0;
	if (folder->line_groups.count != 0)
		qsort(folder->line_groups.items, folder->line_groups.count,
		      sizeof(struct uvh_line_group), by_line_address);
}

const struct uvh_trace_stack *uvh_trace_stack(const struct uvh_trace_process *process,
					      uint32_t number)
{
	const struct uvh_folder *folder = (const struct uvh_folder *) process;
	const struct uvh_stack_parts *stacks = folder->stacks.items;

	if (number == 0 || number > folder->stacks.count)
		return NULL;
	return &stacks[number - 1].shown;
}

const struct uvh_trace_line *uvh_trace_lines(const struct uvh_trace_process *process,
					     uint64_t address, size_t *count)
{
	const struct uvh_folder *folder = (const struct uvh_folder *) process;
	const struct uvh_trace_line *lines = folder->lines.items;
	const struct uvh_line_group *groups = folder->line_groups.items;
	size_t low = 0, high = folder->line_groups.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (groups[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	*count = 0;
	if (low == folder->line_groups.count || groups[low].address != address)
		return NULL;
	*count = groups[low].count;
	return lines + groups[low].first;
}

void uvh_definitions_read(struct uvh_folder *folder, struct uvh_file *file)
{
	struct uvh_packet_rules rules = {
	    .uuid = folder->metadata.uuid,
	    .stream_id = UVHOOKS_TRACE_DEFINITIONS,
	    .tell = true,
	};
	struct uvh_window window = {0};
	struct uvh_packet packet;
	uint64_t offset = 0;

	while (uvh_packet_find(file, offset, &rules, &packet)) {
		folder->has_packets = true;
		if (!uvh_window_begin(&window, file, &packet)) {
			uvh_damage_memory(folder->trace);
			break;
		}
		read_packet(folder, &window);
		offset = packet.next;
	}
	uvh_window_free(&window);
	if (folder->symbols.count != 0)
		qsort(folder->symbols.items, folder->symbols.count, sizeof(struct uvh_symbol),
		      by_address);
	uvh_thread_names_sort(folder);
	settle_stacks(folder);
	folder->process.counters = folder->counters.items;
	folder->process.counter_count = folder->counters.count;
}

void uvh_definitions_free(struct uvh_folder *folder)
{
	if (folder->free_stacks_read != NULL)
		folder->free_stacks_read(folder->stacks_read);
	free(folder->stacks.items);
	free(folder->addresses.items);
	free(folder->frames.items);
	free(folder->lines.items);
	free(folder->line_groups.items);
	free(folder->callbacks.items);
	free(folder->symbols.items);
	free(folder->types.items);
	free(folder->counters.items);
	free(folder->thread_names.items);
	if (folder->libraries != NULL)
		uvh_trace_symbols_close(folder->libraries);
}

const char *uvh_trace_type_name(const struct uvh_trace_process *process, unsigned int type)
{
	const struct uvh_folder *folder = (const struct uvh_folder *) process;
	const char **names = folder->types.items, *name = NULL;

	if (type < UVHOOKS_TYPE_NAMED)
		return uvhooks_type_name(type);
	if (type - UVHOOKS_TYPE_NAMED < folder->types.count)
		name = names[type - UVHOOKS_TYPE_NAMED];
	return name == NULL ? "UNKNOWN" : name;
}

const char *uvh_trace_callback_name(const struct uvh_trace_process *process, uint64_t address)
{
	/* What a process knows of addresses is filled when it is asked. */
	struct uvh_folder *folder = (struct uvh_folder *) (uintptr_t) process;
	struct uvh_symbol wanted = {.address = address}, *found = NULL;

	if (address == 0)
		return "";
	if (folder->symbols.count != 0)
		found = bsearch(&wanted, folder->symbols.items, folder->symbols.count,
				sizeof(wanted), by_address);
	if (found != NULL)
		return found->name;
	if (folder->libraries == NULL)
		folder->libraries = uvh_trace_symbols_open();
	if (folder->libraries == NULL)
		return "unknown";
	return uvh_trace_symbols_name(folder->libraries, address);
}

const char *uvh_trace_own_type(const struct uvh_trace_process *process, size_t index)
{
	const struct uvh_folder *folder = (const struct uvh_folder *) process;

	if (index >= folder->types.count)
		return NULL;
	return uvh_trace_type_name(process, UVHOOKS_TYPE_NAMED + (unsigned int) index);
}

const char *uvh_trace_known_callback(const struct uvh_trace_process *process, size_t index)
{
	const struct uvh_folder *folder = (const struct uvh_folder *) process;
	const struct uvh_symbol *symbols = folder->symbols.items;
	const uint64_t *callbacks = folder->callbacks.items;

	/* Where all have names in the trace, that are these. */
	if (index < folder->symbols.count)
		return symbols[index].name;
	index -= folder->symbols.count;
	if (index >= folder->callbacks.count)
		return NULL;
	return uvh_trace_callback_name(process, callbacks[index]);
}
