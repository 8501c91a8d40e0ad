/* SPDX-License-Identifier: MIT */
/* The same as guard_x86_64.S: the exception arrives in x0, which is also where it is returned. */
	.text
	.hidden	uvh_guarded_call
	.globl	uvh_guarded_call
	.type	uvh_guarded_call, %function
uvh_guarded_call:
	.cfi_startproc
	.cfi_personality 0x1b, uvh_guard_personality
	stp	x29, x30, [sp, -16]!
	.cfi_def_cfa_offset 16
	.cfi_offset 29, -16
	.cfi_offset 30, -8
	mov	x29, sp
	blr	x2
	mov	x0, xzr
	.hidden	uvh_guard_landing
	.globl	uvh_guard_landing
uvh_guard_landing:
	ldp	x29, x30, [sp], 16
	.cfi_def_cfa_offset 0
	.cfi_restore 29
	.cfi_restore 30
	ret
	.cfi_endproc
	.size	uvh_guarded_call, . - uvh_guarded_call

	.section .note.GNU-stack, "", %progbits
