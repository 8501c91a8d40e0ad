/* SPDX-License-Identifier: MIT */
/*
 * Stacks by number. Each is kept once.
 *
 * Invariants: who finds a number in a slot finds the stack behind it whole, without a lock. Nothing
 * is ever freed or moved. An insertion that was cut short (in the child of a fork) has published
 * nothing, and is overwritten.
 */
#include "stacks.h"

#include <string.h>

#define MIX UINT64_C(0x9e3779b97f4a7c15)

/* The texts of scripts: paths and names of functions, each once. */
#define TEXT_BYTES ((size_t) 4 << 20)
#define TEXT_SLOTS ((size_t) 1 << 15)
#define TEXT_MAX   4096

struct stack {
	const uintptr_t *addresses;
	const struct uvhooks_frame *frames;
	uint32_t address_count;
	uint32_t frame_count;
};

static struct stack *stacks; /* stacks[0] is none */
static atomic_uint count;

/* Above the number are the higher bits of the hash; 0: free. Twice as many as stacks, or more. */
static _Atomic uint64_t *slots;
static size_t slot_mask;

static uintptr_t *words; /* addresses and frames; `words_used` of `words_max` */
static size_t words_used, words_max;

static char *texts;
static size_t texts_used;
static uint32_t *text_slots;
static size_t text_count;

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * MIX;
	return hash ^ hash >> 29;
}

static uint64_t hash_of_text(const char *text)
{
	uint64_t hash = MIX;

	for (; text != NULL && *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * UINT64_C(0x100000001b3);
	return hash;
}

/* In two halves, which a processor works on at the same time. */
static inline uint64_t hash_of(const uintptr_t *addresses, size_t address_count,
			       const struct uvhooks_frame *frames, size_t frame_count)
{
	uint64_t even = address_count, odd = frame_count, hash;
	size_t i;

	for (i = 0; i + 1 < address_count; i += 2) {
		even = (even ^ addresses[i]) * MIX;
		odd = (odd ^ addresses[i + 1]) * MIX;
	}
	hash = mix(even ^ even >> 32, odd ^ odd >> 32);
	if (i < address_count)
		hash = mix(hash, addresses[i]);
	for (i = 0; i < frame_count; i++) {
		hash = mix(hash, hash_of_text(frames[i].function) ^ frames[i].line);
		hash = mix(hash, hash_of_text(frames[i].file));
	}
	return hash;
}

static inline bool has_addresses(const struct stack *stack, const uintptr_t *addresses)
{
	uintptr_t differ = 0;

	for (size_t i = 0; i < stack->address_count; i++)
		differ |= stack->addresses[i] ^ addresses[i];
	return differ == 0;
}

static bool is_same_text(const char *one, const char *other)
{
	return strcmp(one == NULL ? "" : one, other == NULL ? "" : other) == 0;
}

static bool has_frames(const struct stack *stack, const struct uvhooks_frame *frames)
{
	for (size_t i = 0; i < stack->frame_count; i++) {
		const struct uvhooks_frame *kept = &stack->frames[i];

		if (kept->line != frames[i].line ||
		    !is_same_text(kept->function, frames[i].function) ||
		    !is_same_text(kept->file, frames[i].file))
			return false;
	}
	return true;
}

/* The slot of the stack, or the free one where it belongs. */
static inline _Atomic uint64_t *find(uint64_t hash, const uintptr_t *addresses,
				     size_t address_count, const struct uvhooks_frame *frames,
				     size_t frame_count)
{
	for (size_t i = hash & slot_mask;; i = (i + 1) & slot_mask) {
		uint64_t slot = atomic_load_explicit(&slots[i], memory_order_acquire);
		const struct stack *stack = &stacks[(uint32_t) slot];

		if (slot == 0)
			return &slots[i];
		if (slot >> 32 == hash >> 32 && stack->address_count == address_count &&
		    stack->frame_count == frame_count && has_addresses(stack, addresses) &&
		    has_frames(stack, frames))
			return &slots[i];
	}
}

/* A copy that stays; "" where there is no room. */
static const char *keep_text(const char *text)
{
	size_t i = hash_of_text(text) % TEXT_SLOTS;
	size_t length = text == NULL ? 0 : strnlen(text, TEXT_MAX - 1);
	char *copy;

	if (length == 0)
		return "";
	for (; text_slots[i] != 0; i = (i + 1) % TEXT_SLOTS)
		if (strncmp(texts + text_slots[i], text, length) == 0 &&
		    texts[text_slots[i] + length] == '\0')
			return texts + text_slots[i];
	if (text_count > TEXT_SLOTS / 2 || texts_used + length + 1 > TEXT_BYTES)
		return "";
	copy = texts + texts_used;
	memcpy(copy, text, length);
	copy[length] = '\0';
	text_slots[i] = (uint32_t) texts_used;
	texts_used += length + 1;
	text_count++;
	return copy;
}

static size_t words_of(size_t address_count, size_t frame_count)
{
	return address_count + frame_count * sizeof(struct uvhooks_frame) / sizeof(*words);
}

/* Under the lock. 0: there is no room. */
static uint32_t insert(_Atomic uint64_t *slot, uint64_t hash, const uintptr_t *addresses,
		       size_t address_count, const struct uvhooks_frame *frames, size_t frame_count)
{
	uint32_t number = atomic_load(&count) + 1;
	size_t needed = words_of(address_count, frame_count);
	uintptr_t *room = words + words_used;
	struct uvhooks_frame *copies = (struct uvhooks_frame *) (room + address_count);

	if (number > stacks_options.max || needed > words_max - words_used)
		return 0;
	memcpy(room, addresses, address_count * sizeof(*addresses));
	for (size_t i = 0; i < frame_count; i++)
		copies[i] = (struct uvhooks_frame){keep_text(frames[i].function),
						   keep_text(frames[i].file), frames[i].line, 0};
	stacks[number] = (struct stack){room, frame_count == 0 ? NULL : copies,
					(uint32_t) address_count, (uint32_t) frame_count};
	words_used += needed;
	atomic_store_explicit(&count, number, memory_order_release);
	atomic_store_explicit(slot, hash >> 32 << 32 | number, memory_order_release);
	return number;
}

bool stacks_is_full(void)
{
	return atomic_load_explicit(&count, memory_order_relaxed) >= stacks_options.max;
}

uint32_t stacks_find(const uintptr_t *addresses, size_t address_count,
		     const struct uvhooks_frame *frames, size_t frame_count, uint64_t *hash)
{
	*hash = hash_of(addresses, address_count, frames, frame_count);
	return (uint32_t) atomic_load_explicit(
	    find(*hash, addresses, address_count, frames, frame_count), memory_order_acquire);
}

uint32_t stacks_keep(const uintptr_t *addresses, size_t address_count,
		     const struct uvhooks_frame *frames, size_t frame_count, uint64_t hash)
{
	struct stacks_guard guard;
	uint32_t number = 0;

	stacks_guard_enter(&guard);
	if (stacks_lock(&stacks_store_lock)) {
		_Atomic uint64_t *slot = find(hash, addresses, address_count, frames, frame_count);

		/* Another thread may have been faster. */
		number = (uint32_t) atomic_load(slot);
		if (number == 0)
			number = insert(slot, hash, addresses, address_count, frames, frame_count);
		stacks_unlock(&stacks_store_lock);
	}
	stacks_guard_leave(&guard);
	if (number == 0)
		atomic_fetch_add_explicit(&stacks_lost, 1, memory_order_relaxed);
	return number;
}

uint32_t stacks_count(void)
{
	return (uint32_t) atomic_load(&count);
}

int stacks_read(uint32_t number, struct uvhooks_stack *stack, void *data)
{
	(void) data;
	if (number == 0 || number > atomic_load_explicit(&count, memory_order_acquire))
		return -ENOENT;
	*stack = (struct uvhooks_stack){.size = sizeof(*stack),
					.number = number,
					.address_count = stacks[number].address_count,
					.frame_count = stacks[number].frame_count,
					.addresses = stacks[number].addresses,
					.frames = stacks[number].frames};
	return 0;
}

int stacks_store_start(void)
{
	size_t slot_count = 1024;

	while (slot_count < 2 * ((size_t) stacks_options.max + 1))
		slot_count *= 2;
	slot_mask = slot_count - 1;
	words_max = ((size_t) stacks_options.max) * words_of(stacks_options.depth, 2);
	stacks = stacks_reserve((stacks_options.max + 1) * sizeof(*stacks));
	slots = stacks_reserve(slot_count * sizeof(*slots));
	words = stacks_reserve(words_max * sizeof(*words));
	texts = stacks_reserve(TEXT_BYTES);
	text_slots = stacks_reserve(TEXT_SLOTS * sizeof(*text_slots));
	texts_used = 1; /* 0: a slot that is free */
	return stacks == NULL || slots == NULL || words == NULL || texts == NULL ||
		       text_slots == NULL
		   ? -1
		   : 0;
}
