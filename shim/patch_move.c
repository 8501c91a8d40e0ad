/* SPDX-License-Identifier: MIT */
#include "patch_move.h"

const char *uvh_move_refusal_text(enum uvh_move_refusal refusal)
{
	switch (refusal) {
#define XX(name, text)                                                                             \
	case UVH_MOVE_##name:                                                                      \
		return text;
		UVH_MOVE_REFUSAL_MAP(XX)
#undef XX
	case UVH_MOVE_DONE:
		break;
	}
	return "";
}

enum uvh_move_refusal uvh_move_function(const uint8_t *text, size_t text_bytes,
					uintptr_t text_address, uintptr_t address, size_t bytes,
					bool calls, uint8_t out[UVH_MOVED_MAX],
					uintptr_t out_address, struct uvh_moved *moved)
{
	const size_t offset = address - text_address;
	enum uvh_move_refusal refusal;
	size_t left;

	if (address < text_address || offset >= text_bytes)
		return UVH_MOVE_UNKNOWN;
	left = text_bytes - offset;
	if (bytes > left)
		bytes = left;
	/* A symbol without a size may have anything behind it. */
	if (bytes > 0)
		bytes += uvh_move_padding(text + offset + bytes, left - bytes, address + bytes);
	refusal = uvh_move_entry(text + offset, bytes, address, calls, out, out_address, moved);
	if (refusal == UVH_MOVE_DONE &&
	    uvh_move_is_entered(text, text_bytes, text_address, address, bytes, moved))
		return UVH_MOVE_BRANCH_INTO;
	return refusal;
}

#if !defined(__x86_64__)
/* Where one instruction is enough for the jump, nobody branches into it, and none is too short. */
bool uvh_move_is_entered(const uint8_t *text, size_t text_bytes, uintptr_t text_address,
			 uintptr_t address, size_t bytes, const struct uvh_moved *moved)
{
	(void) text;
	(void) text_bytes;
	(void) text_address;
	(void) address;
	(void) bytes;
	(void) moved;
	return false;
}

size_t uvh_move_padding(const uint8_t *behind, size_t bytes, uintptr_t address)
{
	(void) behind;
	(void) bytes;
	(void) address;
	return 0;
}
#endif
