/* SPDX-License-Identifier: MIT */
/*
 * Where the entry of a patched function leads, by way of its island (patch_island.c), with its
 * struct uvh_patched in r11, and what r11 was on the stack.
 *
 * Outside of libuv the call is the program's. Inside of libuv it is libuv's if it comes from
 * libuv's code, or from ours: there a function of libuv that we called has ended with a jump. What
 * else is inside of libuv is the program's too, an allocator of its own for instance.
 *
 * On the way to the original every register is kept: a compiler that sees both caller and callee
 * knows which ones the callee leaves alone, and may count on it (-fipa-ra).
 */
#define WRAPPER    0
#define ORIGINAL   8
#define RESUME     16
#define TEXT_LOW   24
#define TEXT_BYTES 32
#define COLD_LOW   40
#define COLD_BYTES 48
#define LIBUV      56

#define TLS_IN_LIBUV 16
#define TLS_LIBUV    21

/* Keeps what is needed here; the island has kept r11 already. */
	.macro	keep_registers
	endbr64
	.cfi_adjust_cfa_offset 8
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	pushq	%r10
	.cfi_adjust_cfa_offset 8
	.endm

/* Goes on at `program` if the call is the program's; else to the original. */
	.macro	ask_who_calls program
	keep_registers
	movq	uvh_tls@gottpoff(%rip), %rax
	cmpb	$0, %fs:TLS_IN_LIBUV(%rax)
	je	\program
	movq	24(%rsp), %r10
	subq	TEXT_LOW(%r11), %r10
	cmpq	TEXT_BYTES(%r11), %r10
	jb	1f
	movq	24(%rsp), %r10
	subq	COLD_LOW(%r11), %r10
	cmpq	COLD_BYTES(%r11), %r10
	jb	1f
	movq	24(%rsp), %r10
	leaq	__ehdr_start(%rip), %rax
	cmpq	%rax, %r10
	jb	\program
	leaq	etext(%rip), %rax
	cmpq	%rax, %r10
	jae	\program
1:	popq	%r10
	popq	%rax
	jmp	*RESUME(%r11)
	.endm

	.text
	.p2align 4
	.hidden	uvh_entry
	.globl	uvh_entry
	.type	uvh_entry, @function
uvh_entry:
	.cfi_startproc
	ask_who_calls uvh_program
uvh_program:
	movzbl	LIBUV(%r11), %r10d
	testl	%r10d, %r10d
	je	3f
/* Only for further libuvs: the wrapper reads this byte together with its neighbour, at a cost. */
	movq	uvh_tls@gottpoff(%rip), %rax
	movb	%r10b, %fs:TLS_LIBUV(%rax)
3:	addq	$24, %rsp
	.cfi_adjust_cfa_offset -24
	jmp	*WRAPPER(%r11)
	.cfi_endproc
	.size	uvh_entry, . - uvh_entry

/* uv_async_send(handle) has room for a second argument. */
	.p2align 4
	.hidden	uvh_entry_send
	.globl	uvh_entry_send
	.type	uvh_entry_send, @function
uvh_entry_send:
	.cfi_startproc
	ask_who_calls 2f
2:	movq	%r11, %rsi
	addq	$24, %rsp
	.cfi_adjust_cfa_offset -24
	jmp	uvh_async_send_patched
	.cfi_endproc
	.size	uvh_entry_send, . - uvh_entry_send

/*
 * A callback that the program wrote into a handle, past us, may end with a jump to uv_close: that
 * looks like a call of libuv's.
 */
	.p2align 4
	.hidden	uvh_entry_close
	.globl	uvh_entry_close
	.type	uvh_entry_close, @function
uvh_entry_close:
	.cfi_startproc
	keep_registers
	jmp	uvh_program
	.cfi_endproc
	.size	uvh_entry_close, . - uvh_entry_close

	.hidden	__ehdr_start
	.hidden	etext
	.hidden	uvh_tls
	.hidden	uvh_async_send_patched
	.section .note.GNU-stack, "", @progbits
