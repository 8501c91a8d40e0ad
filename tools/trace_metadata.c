/* SPDX-License-Identifier: MIT */
/*
 * `metadata`: whose trace it is, and what its clock is. All else in it is known from trace.h, so
 * of its language only words, texts and blocks are understood, in whatever order they come.
 */
#include "trace_parts.h"

#include <ctype.h>
#include <stdlib.h>

#define METADATA_BYTES ((size_t) 1 << 20)
#define WORD_BYTES     8192

/* A clock is no clock outside of these. */
#define FREQUENCY_MIN UINT64_C(1000)
#define FREQUENCY_MAX UINT64_C(1000000000000)

#define SECOND_NS INT64_C(1000000000)

/* Shorter than that, two readings of the clocks tell less than the frequency that was measured. */
#define PAIR_NS 10000000

enum word_kind { WORD_END, WORD_NAME, WORD_TEXT, WORD_SIGN };

struct words {
	const char *at, *end;
	enum word_kind kind;
	char sign;
	size_t bytes;
	char text[WORD_BYTES];
};

static void skip_comment(struct words *words, const char *closing)
{
	size_t bytes = strlen(closing);

	words->at += 2;
	while (words->at < words->end) {
		if ((size_t) (words->end - words->at) >= bytes &&
		    memcmp(words->at, closing, bytes) == 0) {
			words->at += bytes;
			return;
		}
		words->at++;
	}
}

static void skip_space(struct words *words)
{
	while (words->at < words->end) {
		if (isspace((unsigned char) *words->at))
			words->at++;
		else if (*words->at == '/' && words->end - words->at >= 2 && words->at[1] == '*')
			skip_comment(words, "*/");
		else if (*words->at == '/' && words->end - words->at >= 2 && words->at[1] == '/')
			skip_comment(words, "\n");
		else
			return;
	}
}

static void add_byte(struct words *words, char byte)
{
	if (words->bytes < WORD_BYTES - 1)
		words->text[words->bytes++] = byte;
}

/* \n, \t, \" and the like, and octal and hexadecimal numbers. */
static char escaped(struct words *words)
{
	static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
	char first = *words->at++;
	const char *letter = first == '\0' ? NULL : strchr(letters, first);
	int number = 0;

	if (letter != NULL)
		return meanings[letter - letters];
	if (first == 'x') {
		for (int i = 0;
		     i < 2 && words->at < words->end && isxdigit((unsigned char) *words->at); i++) {
			int digit = tolower((unsigned char) *words->at++);

			number = number * 16 + (digit <= '9' ? digit - '0' : digit - 'a' + 10);
		}
		return (char) number;
	}
	if (first < '0' || first > '7')
		return first;
	number = first - '0';
	for (int i = 0; i < 2 && words->at < words->end && *words->at >= '0' && *words->at <= '7';
	     i++)
		number = number * 8 + (*words->at++ - '0');
	return (char) number;
}

static void take_text(struct words *words)
{
	words->at++;
	while (words->at < words->end && *words->at != '"') {
		char byte = *words->at++;

		if (byte == '\\' && words->at < words->end)
			byte = escaped(words);
		add_byte(words, byte);
	}
	if (words->at < words->end)
		words->at++;
	words->kind = WORD_TEXT;
}

/* Names and numbers are of one kind; a sign may stand in front of a number. */
static bool is_name_byte(char byte)
{
	return isalnum((unsigned char) byte) || byte == '_' || byte == '.' || byte == '-';
}

static bool next_word(struct words *words)
{
	skip_space(words);
	words->bytes = 0;
	words->kind = WORD_END;
	if (words->at < words->end && *words->at == '"') {
		take_text(words);
	} else if (words->at < words->end && is_name_byte(*words->at)) {
		while (words->at < words->end && is_name_byte(*words->at))
			add_byte(words, *words->at++);
		words->kind = WORD_NAME;
	} else if (words->at < words->end) {
		words->kind = WORD_SIGN;
		words->sign = *words->at++;
	}
	words->text[words->bytes] = '\0';
	return words->kind != WORD_END;
}

static bool parse_uuid(const char *text, uint8_t uuid[16])
{
	size_t digits = 0;

	memset(uuid, 0, 16);
	for (; *text != '\0' && digits < 32; text++) {
		int digit = tolower((unsigned char) *text);

		if (digit == '-')
			continue;
		if (!isxdigit(digit))
			return false;
		digit = digit <= '9' ? digit - '0' : digit - 'a' + 10;
		uuid[digits / 2] = (uint8_t) (uuid[digits / 2] << 4 | digit);
		digits++;
	}
	return digits == 32 && *text == '\0';
}

/* A text of the env block. */
static const char **env_text(struct uvh_metadata *metadata, const char *key)
{
	if (strcmp(key, "hostname") == 0)
		return &metadata->hostname;
	if (strcmp(key, "program") == 0)
		return &metadata->program;
	if (strcmp(key, "command") == 0)
		return &metadata->command;
	if (strcmp(key, "parent") == 0)
		return &metadata->parent;
	return strcmp(key, "mode") == 0 ? &metadata->mode : NULL;
}

/* `key = value` in a block; the first that is said counts. */
static void take_value(struct uvh_folder *folder, const char *block, const char *key,
		       const struct words *value)
{
	struct uvh_metadata *metadata = &folder->metadata;
	bool is_text = value->kind == WORD_TEXT;
	const char **text;

	if (strcmp(block, "trace") == 0 && strcmp(key, "uuid") == 0 && !metadata->has_uuid) {
		metadata->has_uuid = parse_uuid(value->text, metadata->uuid);
	} else if (strcmp(block, "env") == 0 && is_text) {
		text = env_text(metadata, key);
		if (text != NULL && *text == NULL)
			*text = uvh_text(&folder->trace->texts, value->text, value->bytes);
	} else if (strcmp(block, "env") == 0) {
		if (strcmp(key, "pid") == 0)
			metadata->pid = strtoull(value->text, NULL, 10);
		else if (strcmp(key, "launched") == 0)
			metadata->launched = strtoull(value->text, NULL, 10);
	} else if (strcmp(block, "clock") == 0 && !is_text) {
		if (strcmp(key, "freq") == 0)
			metadata->frequency = strtoull(value->text, NULL, 10);
		else if (strcmp(key, "offset_s") == 0)
			metadata->offset_s = strtoll(value->text, NULL, 10);
		else if (strcmp(key, "offset") == 0)
			metadata->offset = strtoll(value->text, NULL, 10);
	}
}

/* The blocks of which something is wanted. */
static const char *block_name(const char *word)
{
	static const char *const names[] = {"trace", "env", "clock", "stream", "event"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(word, names[i]) == 0)
			return names[i];
	}
	return NULL;
}

static void parse(struct uvh_folder *folder, struct words *words)
{
	const char *block = "";
	char name[64] = "";
	bool assigned = false;

	while (next_word(words)) {
		if (words->kind == WORD_SIGN) {
			/* A block that is opened within one, as a struct is, changes nothing. */
			if (words->sign == '{' && block_name(name) != NULL)
				block = block_name(name);
			assigned = words->sign == '=';
			if (!assigned)
				name[0] = '\0';
			continue;
		}
		if (assigned)
			take_value(folder, block, name, words);
		assigned = false;
		name[0] = '\0';
		if (words->bytes < sizeof(name))
			memcpy(name, words->text, words->bytes + 1);
	}
}

void uvh_metadata_read(struct uvh_folder *folder, struct uvh_file *file)
{
	struct uvh_metadata *metadata = &folder->metadata;
	size_t bytes = file->size < METADATA_BYTES ? (size_t) file->size : METADATA_BYTES;
	struct words *words = malloc(sizeof(*words));
	char *text = malloc(bytes + 1);

	if (words == NULL || text == NULL) {
		uvh_damage_memory(folder->trace);
	} else {
		words->at = text;
		words->end = text + uvh_file_read(file, 0, text, bytes);
		parse(folder, words);
	}
	free(text);
	free(words);
	metadata->has_clock =
	    metadata->frequency >= FREQUENCY_MIN && metadata->frequency <= FREQUENCY_MAX;
	if (!metadata->has_uuid)
		uvh_damage(folder->trace, folder->name, file->name, UVH_NO_OFFSET,
			   "no uuid of the trace in it; that of the packets was taken");
	if (!metadata->has_clock)
		uvh_damage(folder->trace, folder->name, file->name, UVH_NO_OFFSET,
			   "no clock in it; the times may be wrong");
}

/* What two readings of the clocks, far enough from each other, say of a tick; 0: nothing. */
static uint64_t measured_tick(const struct uvh_folder *folder)
{
	const struct uvh_clock_pair *first = &folder->first_clock, *last = &folder->last_clock;
	uint64_t ticks = last->ticks - first->ticks, ns = last->monotonic_ns - first->monotonic_ns;
	unsigned __int128 tick;

	if (!folder->has_clock_pair || last->ticks <= first->ticks ||
	    last->monotonic_ns <= first->monotonic_ns)
		return 0;
	if (folder->metadata.has_clock && ns < PAIR_NS)
		return 0;
	tick = ((unsigned __int128) ns << UVH_CLOCK_SHIFT) / ticks;
	return tick > UINT64_MAX / 2 ? 0 : (uint64_t) tick;
}

/* Seconds and ticks since 1970 when the clock was 0, as metadata has them, made into a point. */
static int64_t metadata_ns(const struct uvh_metadata *metadata, uint64_t ticks)
{
	__int128 ns = (__int128) metadata->offset_s * SECOND_NS +
		      ((__int128) metadata->offset + (__int128) ticks) * SECOND_NS /
			  (__int128) metadata->frequency;

	return ns < 1 ? 1 : ns > INT64_MAX ? INT64_MAX : (int64_t) ns;
}

void uvh_clock_set(struct uvh_folder *folder)
{
	const struct uvh_metadata *metadata = &folder->metadata;
	struct uvh_clock *clock = &folder->clock;
	uint64_t measured = measured_tick(folder);

	clock->ns_per_tick = UINT64_C(1) << UVH_CLOCK_SHIFT;
	if (metadata->has_clock)
		clock->ns_per_tick =
		    (uint64_t) (((unsigned __int128) SECOND_NS << UVH_CLOCK_SHIFT) /
				metadata->frequency);
	/* Of two that contradict each other, one is broken; metadata is text, and has two guards.
	 */
	if (measured != 0 && (!metadata->has_clock || (measured > clock->ns_per_tick / 100 * 99 &&
						       measured < clock->ns_per_tick / 100 * 101)))
		clock->ns_per_tick = measured;
	if (folder->has_clock_pair) {
		clock->base_ticks = folder->first_clock.ticks;
		clock->base_ns = (int64_t) folder->first_clock.realtime_ns;
		clock->has_monotonic = true;
		clock->from_monotonic_ns =
		    clock->base_ns - (int64_t) folder->first_clock.monotonic_ns;
		return;
	}
	clock->base_ticks = folder->first_ticks;
	if (metadata->has_clock)
		clock->base_ns = metadata_ns(metadata, folder->first_ticks);
	else
		clock->base_ns =
		    folder->first_ticks > INT64_MAX ? 1 : (int64_t) folder->first_ticks;
}
