/* SPDX-License-Identifier: MIT */
/*
 * void *uvh_guarded_call(event, data, callback): calls callback(event, data). An exception that
 * leaves the callback ends up at uvh_guard_landing, which the personality routine in unwind.c sends
 * it to with the exception in rax; it is returned. Else NULL is.
 */
	.text
	.hidden	uvh_guarded_call
	.globl	uvh_guarded_call
	.type	uvh_guarded_call, @function
uvh_guarded_call:
	.cfi_startproc
	.cfi_personality 0x1b, uvh_guard_personality
	endbr64
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	call	*%rdx
	xorl	%eax, %eax
	.hidden	uvh_guard_landing
	.globl	uvh_guard_landing
uvh_guard_landing:
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	uvh_guarded_call, . - uvh_guarded_call

	.section .note.GNU-stack, "", @progbits
