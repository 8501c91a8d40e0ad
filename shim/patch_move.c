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

#if !defined(__x86_64__)
/* One instruction is enough for the jump, and every function has one. */
size_t uvh_move_padding(const uint8_t *behind, size_t bytes, uintptr_t address)
{
	(void) behind;
	(void) bytes;
	(void) address;
	return 0;
}
#endif
