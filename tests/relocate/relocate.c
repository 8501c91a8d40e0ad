/* SPDX-License-Identifier: MIT */
/*
 * Moves the entry of every function uv_... of ELF files, without running anything, and looks at
 * what came out.
 *
 *	relocate check [--but NAME] FILE...
 *				what is refused, and why; what was moved does the same as before;
 *				nothing else in the file branches into what a jump will overwrite
 *	relocate pairs FILE OUT	writes OUT.before, OUT.after and OUT.list for another disassembler
 *	relocate time FILE...	what it takes
 *	relocate counts FILE	what patch_all.so has counted in that file
 *
 * `check` fails if moved code is wrong, and if a function that the shim intercepts is refused,
 * unless it is NAME. `counts` fails if such a function was patched and never executed.
 */
#include "binary.h"
#include "patch_all.h"
#include "same.h"

#include <Zydis/Zydis.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What may be refused though it is intercepted. */
static const char *but = "";

/* Where the code of function number `i` goes: each has a place of its own. */
static uintptr_t near_place(const struct binary *binary, size_t i)
{
	return (binary->end | 0xffffff) + 1 + i * UVH_MOVED_MAX;
}

static enum uvh_move_refusal move(const struct binary_function *function, bool calls,
				  uintptr_t out_address, uint8_t out[UVH_MOVED_MAX],
				  struct uvh_moved *moved)
{
	enum uvh_move_refusal refusal =
	    uvh_move_entry(function->code, function->with_padding, function->address, calls, out,
			   out_address, moved);

	if (refusal == UVH_MOVE_DONE &&
	    uvh_move_is_entered(function->section, function->section_bytes,
				function->section_address, function->address, function->bytes,
				moved))
		return UVH_MOVE_BRANCH_INTO;
	return refusal;
}

/* Prints the first instructions, for whoever asks why. */
static void print_entry(const struct binary_function *function)
{
	ZydisDisassembledInstruction decoded;

	for (size_t offset = 0, i = 0; i < 5 && offset < function->bytes; i++) {
		if (!ZYAN_SUCCESS(ZydisDisassembleIntel(
			ZYDIS_MACHINE_MODE_LONG_64, function->address + offset,
			function->code + offset, function->bytes - offset, &decoded))) {
			printf("; no instruction");
			break;
		}
		printf("%s%s", i == 0 ? "" : "; ", decoded.text);
		offset += decoded.info.length;
	}
}

/* The windows of all that was moved, by address. */
struct windows {
	struct window {
		uintptr_t begin, end;
		const struct binary_function *function;
	} * all;
	size_t count;
	size_t entered;
};

/* Which window has this address behind its first byte? */
static const struct window *window_at(const struct windows *windows, uintptr_t address)
{
	size_t low = 0, high = windows->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (windows->all[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == windows->count || address <= windows->all[low].begin)
		return NULL;
	return &windows->all[low];
}

static void find_entering(const uint8_t *code, size_t bytes, uintptr_t address, void *data)
{
	struct windows *windows = data;
	ZydisDecodedInstruction decoded;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
	for (size_t offset = 0; offset < bytes; offset += decoded.length) {
		const struct window *window;
		uintptr_t to;

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + offset,
								bytes - offset, &decoded))) {
			decoded.length = 1;
			continue;
		}
		if (!decoded.raw.imm[0].is_relative)
			continue;
		to = address + offset + decoded.length + (uintptr_t) decoded.raw.imm[0].value.s;
		window = window_at(windows, to);
		if (window == NULL)
			continue;
		windows->entered++;
		printf("  %s: the branch at %#zx leads to %#zx, where a jump would stand\n",
		       window->function->name, (size_t) address + offset, (size_t) to);
	}
}

/* Moves all of them to near places, or far ones; returns how many went wrong. */
static size_t check_moves(const struct binary *binary, bool near, struct windows *windows)
{
	size_t hooks = 0, hooks_refused = 0, refused = 0, wrong = 0;

	for (size_t i = 0; i < binary->count; i++) {
		const struct binary_function *function = &binary->functions[i];
		uintptr_t to = near_place(binary, i) + (near ? 0 : UINT64_C(1) << 40);
		uint8_t out[UVH_MOVED_MAX];
		struct uvh_moved moved;
		enum uvh_move_refusal refusal = move(function, true, to, out, &moved);
		const char *difference = NULL;

		hooks += function->hooked;
		if (refusal == UVH_MOVE_DONE) {
			difference = what_differs(&(struct moving){.code = function->code,
								   .bytes = function->with_padding,
								   .address = function->address,
								   .out = out,
								   .out_address = to,
								   .moved = moved});
			if (windows != NULL)
				windows->all[windows->count++] = (struct window){
				    .begin = function->address + moved.at,
				    .end = function->address + moved.at + moved.bytes,
				    .function = function};
		}
		if (difference != NULL) {
			printf("  %s: %s\n", function->name, difference);
			wrong++;
		}
		refused += refusal != UVH_MOVE_DONE;
		if (refusal == UVH_MOVE_DONE || !near)
			continue;
		hooks_refused += function->hooked && strcmp(function->name, but) != 0;
		printf("  %s%s: %s, %s (%zu bytes: ", function->name,
		       function->hooked ? " (intercepted)" : "", refusal_name(refusal),
		       uvh_move_refusal_text(refusal), function->bytes);
		print_entry(function);
		printf(")\n");
	}
	printf("  %s: %zu functions, %zu moved, %zu refused; %zu intercepted",
	       near ? "near" : "far", binary->count, binary->count - refused, refused, hooks);
	if (near)
		printf(", %zu of them refused%s%s", hooks_refused, *but ? " beside " : "", but);
	printf("\n");
	return wrong + hooks_refused + (hooks == 0);
}

static size_t check(const char *path)
{
	struct binary binary = binary_open(path);
	struct windows windows = {.all = calloc(binary.count, sizeof *windows.all)};
	size_t wrong;

	printf("%s\n", path);
	wrong = check_moves(&binary, true, &windows) + check_moves(&binary, false, NULL);
	binary_each_code(&binary, find_entering, &windows);
	free(windows.all);
	binary_close(&binary);
	return wrong + windows.entered;
}

static FILE *create(const char *name, const char *suffix)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof path, "%s.%s", name, suffix);
	file = fopen(path, "w");
	if (file == NULL)
		err(2, "%s", path);
	return file;
}

static void write_padded(FILE *file, const uint8_t *bytes, size_t count)
{
	fwrite(bytes, 1, count, file);
	for (; count < UVH_MOVED_MAX; count++)
		putc(0x90, file);
}

/*
 * Each window and each moved code in a slot of UVH_MOVED_MAX bytes. The list says, a line for each
 * slot: the function's name; address and length of its window; address and length of its moved
 * code.
 */
static void pairs(const char *path, const char *name)
{
	struct binary binary = binary_open(path);
	FILE *before = create(name, "before"), *after = create(name, "after");
	FILE *list = create(name, "list");

	for (size_t i = 0; i < binary.count; i++) {
		const struct binary_function *function = &binary.functions[i];
		uint8_t out[UVH_MOVED_MAX];
		struct uvh_moved moved;

		if (move(function, true, near_place(&binary, i), out, &moved) != UVH_MOVE_DONE)
			continue;
		write_padded(before, function->code + moved.at, moved.bytes);
		write_padded(after, out, moved.length);
		fprintf(list, "%s %zu %u %zu %u\n", function->name, function->address + moved.at,
			moved.bytes, near_place(&binary, i), moved.length);
	}
	if (fclose(before) != 0 || fclose(after) != 0 || fclose(list) != 0)
		err(2, "%s", name);
	binary_close(&binary);
}

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

/* The best of many rounds: this machine may have other things to do. */
static void measure(const char *path)
{
	struct binary binary = binary_open(path);
	double best = 0;
	size_t hooks = 0;

	for (int round = 0; round < 50; round++) {
		double begin = now_ns();

		hooks = 0;
		for (size_t i = 0; i < binary.count; i++) {
			uint8_t out[UVH_MOVED_MAX];
			struct uvh_moved moved;

			if (!binary.functions[i].hooked)
				continue;
			hooks++;
			move(&binary.functions[i], true, near_place(&binary, i), out, &moved);
		}
		if (round == 0 || now_ns() - begin < best)
			best = now_ns() - begin;
	}
	printf("%s: %.0f ns for a function, %.2f ms for all %zu\n", path,
	       best / (double) (hooks ? hooks : 1), best / 1e6, hooks);
	binary_close(&binary);
}

static size_t counts(const char *path)
{
	struct patch_counts counts;
	size_t patched = 0, executed = 0, missed = 0;
	FILE *file = fopen(path, "r");

	if (file == NULL || fread(&counts, sizeof counts, 1, file) != 1)
		err(2, "%s", path);
	fclose(file);
	for (size_t i = 0; i < PATCH_NAMES; i++) {
		patched += counts.patched[i] != 0;
		executed += counts.calls[i] != 0;
		if (counts.patched[i] == 0 || counts.calls[i] != 0 || !is_hooked(patch_names[i]))
			continue;
		missed++;
		printf("%s is intercepted, and was never executed\n", patch_names[i]);
	}
	printf("%zu functions patched, %zu executed\n", patched, executed);
	return missed + (executed == 0);
}

int main(int argc, char **argv)
{
	size_t wrong = 0;

	if (argc == 4 && strcmp(argv[1], "pairs") == 0) {
		pairs(argv[2], argv[3]);
	} else if (argc > 2 && strcmp(argv[1], "check") == 0) {
		int first = 2;

		if (argc > 4 && strcmp(argv[2], "--but") == 0) {
			but = argv[3];
			first = 4;
		}
		for (int i = first; i < argc; i++)
			wrong += check(argv[i]);
	} else if (argc == 3 && strcmp(argv[1], "counts") == 0) {
		wrong = counts(argv[2]);
	} else if (argc > 2 && strcmp(argv[1], "time") == 0) {
		for (int i = 2; i < argc; i++)
			measure(argv[i]);
	} else {
		errx(2,
		     "usage: relocate check [--but NAME] FILE... | pairs FILE OUT | time FILE... | "
		     "counts FILE");
	}
	return wrong != 0;
}
