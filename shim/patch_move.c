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

/* Where one instruction is enough for the jump, nobody can branch into it, and no function is too
 * short.
 */
#if !defined(__x86_64__)
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
