/* SPDX-License-Identifier: MIT */
/*
 * Where the entry of a patched function leads, with its struct uvh_patched in r11. All that a call
 * may rely on is kept: rax, r10 and r11 are free at the entry of a function of uv.h.
 *
 * Outside of libuv the call is the program's. Inside of libuv it is libuv's if it comes from
 * libuv's code, or from ours: there a function of libuv that we called has ended with a jump. What
 * else is inside of libuv is the program's too, an allocator of its own for instance.
 */
#define WRAPPER    0
#define ORIGINAL   8
#define TEXT_LOW   16
#define TEXT_BYTES 24
#define LIBUV      32

#define TLS_IN_LIBUV 16
#define TLS_LIBUV    19

	.text
	.p2align 4
	.hidden	uvh_entry
	.globl	uvh_entry
	.type	uvh_entry, @function
uvh_entry:
	.cfi_startproc
	movq	uvh_tls@gottpoff(%rip), %rax
	cmpb	$0, %fs:TLS_IN_LIBUV(%rax)
	jne	1f
0:	movzbl	LIBUV(%r11), %r10d
	testl	%r10d, %r10d
	jne	4f
	jmp	*WRAPPER(%r11)
/* Only for further libuvs: the wrapper reads this byte together with its neighbour, at a cost. */
4:	movb	%r10b, %fs:TLS_LIBUV(%rax)
	jmp	*WRAPPER(%r11)
1:	movq	(%rsp), %r10
	subq	TEXT_LOW(%r11), %r10
	cmpq	TEXT_BYTES(%r11), %r10
	jb	2f
	movq	(%rsp), %r10
	leaq	__ehdr_start(%rip), %rax
	cmpq	%rax, %r10
	jb	3f
	leaq	etext(%rip), %rax
	cmpq	%rax, %r10
	jb	2f
3:	movq	uvh_tls@gottpoff(%rip), %rax
	jmp	0b
2:	jmp	*ORIGINAL(%r11)
	.cfi_endproc
	.size	uvh_entry, . - uvh_entry

/* uv_async_send(handle) has room for a second argument. */
	.p2align 4
	.hidden	uvh_entry_send
	.globl	uvh_entry_send
	.type	uvh_entry_send, @function
uvh_entry_send:
	.cfi_startproc
	movq	%r11, %rsi
	jmp	uvh_async_send_patched
	.cfi_endproc
	.size	uvh_entry_send, . - uvh_entry_send

	.hidden	__ehdr_start
	.hidden	etext
	.hidden	uvh_tls
	.hidden	uvh_async_send_patched
	.section .note.GNU-stack, "", @progbits
