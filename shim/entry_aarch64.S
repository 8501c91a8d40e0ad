/* SPDX-License-Identifier: MIT */
/*
 * Where the entry of a patched function leads, with its struct uvh_patched in x17; see
 * entry_x86_64.S. x16 and x17 are free at every call, as the linker may need them there.
 */
#define WRAPPER    0
#define ORIGINAL   8
#define RESUME     16
#define TEXT_LOW   24
#define TEXT_BYTES 32
#define COLD_LOW   40
#define LIBUV      56

#define TLS_IN_LIBUV 16
#define TLS_LIBUV    21

/* Keeps what is needed here, and leaves uvh_tls in x9. */
	.macro	keep_registers
	hint	#34 /* bti c */
	stp	x9, x10, [sp, #-32]!
	.cfi_adjust_cfa_offset 32
	str	x11, [sp, #16]
	mrs	x9, tpidr_el0
	adrp	x10, :gottprel:uvh_tls
	ldr	x10, [x10, :gottprel_lo12:uvh_tls]
	add	x9, x9, x10
	.endm

	.macro	ask_who_calls program
	keep_registers
	ldrb	w10, [x9, #TLS_IN_LIBUV]
	cbz	w10, \program
	ldp	x10, x11, [x17, #TEXT_LOW]
	sub	x10, x30, x10
	cmp	x10, x11
	b.lo	1f
	ldp	x10, x11, [x17, #COLD_LOW]
	sub	x10, x30, x10
	cmp	x10, x11
	b.lo	1f
	adrp	x10, __ehdr_start
	add	x10, x10, :lo12:__ehdr_start
	adrp	x11, etext
	add	x11, x11, :lo12:etext
	cmp	x30, x10
	b.lo	\program
	cmp	x30, x11
	b.hs	\program
1:	ldr	x11, [sp, #16]
	ldp	x9, x10, [sp], #32
	ldr	x16, [x17, #ORIGINAL]
	br	x16
	.endm

	.text
	.p2align 4
	.hidden	uvh_entry
	.globl	uvh_entry
	.type	uvh_entry, %function
uvh_entry:
	.cfi_startproc
	ask_who_calls uvh_program
uvh_program:
	ldrb	w10, [x17, #LIBUV]
	cbz	w10, 3f
	strb	w10, [x9, #TLS_LIBUV]
3:	add	sp, sp, #32
	.cfi_adjust_cfa_offset -32
	ldr	x16, [x17, #WRAPPER]
	br	x16
	.cfi_endproc
	.size	uvh_entry, . - uvh_entry

	.p2align 4
	.hidden	uvh_entry_send
	.globl	uvh_entry_send
	.type	uvh_entry_send, %function
uvh_entry_send:
	.cfi_startproc
	ask_who_calls 2f
2:	mov	x1, x17
	add	sp, sp, #32
	.cfi_adjust_cfa_offset -32
	b	uvh_async_send_patched
	.cfi_endproc
	.size	uvh_entry_send, . - uvh_entry_send

	.p2align 4
	.hidden	uvh_entry_close
	.globl	uvh_entry_close
	.type	uvh_entry_close, %function
uvh_entry_close:
	.cfi_startproc
	keep_registers
	b	uvh_program
	.cfi_endproc
	.size	uvh_entry_close, . - uvh_entry_close

	.hidden	__ehdr_start
	.hidden	etext
	.hidden	uvh_tls
	.hidden	uvh_async_send_patched
	.section .note.GNU-stack, "", %progbits
