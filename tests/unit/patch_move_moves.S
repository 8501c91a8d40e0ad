/* SPDX-License-Identifier: MIT */
/* Entries that can be moved. */
#include "patch_move_case.inc"

begin
	push	%rbx
	mov	%rdi, %rbx
	lea	(%rbx, %rsi, 4), %rax
	pop	%rbx
	ret
end
moves "instructions that mean the same everywhere", bytes=8

begin
	mov	$0x12345678, %eax
	ret
end
moves "one instruction of five bytes"

begin
	mov	$0x12345678, %eax
end
	add	%rdi, %rax
	ret
moves "a window that is the whole function"

begin
	endbr64
	push	%rbx
	mov	%rdi, %rbx
	lea	3(%rbx), %rax
	pop	%rbx
	ret
end
moves "endbr64 stays where it is", at=4, bytes=8

begin
	.rept	8
	nop
	.endr
	lea	(%rdi, %rsi), %rax
	ret
end
moves "room that was left for patches"

	.irp	condition, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
begin
	cmp	%rsi, %rdi
	j\condition 1f
	mov	$1, %eax
	ret
1:	mov	$2, %eax
	ret
end
moves "j\condition of 8 bits"

begin
	cmp	%rsi, %rdi
	j\condition 1f
	mov	$1, %eax
	ret
	.skip	128, 0x90
1:	mov	$2, %eax
	ret
end
moves "j\condition of 32 bits", bytes=9
	.endr

begin
	test	%rdi, %rdi
	.byte	0x3e, 0x74, 6	/* je, taken they say, over 6 bytes */
	mov	$1, %eax
	ret
	mov	$2, %eax
	ret
end
moves "a conditional jump with a hint", bytes=6

begin
	test	%rdi, %rdi
	je	1f
	jmp	2f
	nop
1:	mov	$1, %eax
	ret
2:	mov	$2, %eax
	ret
end
moves "a conditional jump that ends the window; what it jumps over stays", bytes=5

begin
	test	%rdi, %rdi
	je	1f
1:	lea	1(%rdi), %rax
	ret
end
moves "a jump to just behind the window"

begin
	test	%edi, %edi
	jne	1f
	ret
1:	lea	(%rdi, %rsi), %rax
	ret
end
moves "a return that is jumped over"

begin
	xor	%ecx, %ecx
	jmp	1f
	.skip	126, 0x90
end
	ud2
	ud2
1:	lea	(%rdi, %rcx), %rax
	ret
moves "a jump of 32 bits that leaves the function", bytes=7

begin
	lea	1(%rdi), %rax
	jmp	1f
	ud2
1:	add	%rsi, %rax
	ret
end
moves "a jump of 8 bits", bytes=6

begin
	jmp	1f
	nop
	nopl	(%rax)
end
1:	lea	1(%rdi), %rax
	ret
moves "a jump of 8 bits and padding", bytes=6

begin
	mov	%edi, %eax
	ret
	int3
	int3
end
moves "a return and padding"

begin
	.byte	0xf2, 0xe9, 2, 0, 0, 0	/* bnd jmp, over 2 bytes */
	ud2
	lea	1(%rdi), %rax
	ret
end
moves "a jump with a prefix that has lost its meaning", bytes=6

begin
	lea	1f(%rip), %rax
	notrack	jmp *%rax
1:	lea	(%rdi, %rsi, 2), %rax
	ret
end
moves "lea, relative to rip", bytes=7

begin
	lea	1f(%rip), %r11
	mov	%r11, %rax
	ret
1:
end
moves "lea of a high register, relative to rip", bytes=7

begin
	lea	1f(%rip), %eax
	ret
1:
end
moves "lea of 32 bits, relative to rip", bytes=6, far=FAR

begin
	mov	1f(%rip), %rax
	add	%rdi, %rax
	ret
end
1:	.quad	0x123456789abcdef0
moves "a load, relative to rip", bytes=7, far=FAR

begin
	push	%rbp
	mov	%rsp, %rbp
	cmpl	$77, 1f(%rip)
	sete	%al
	movzx	%al, %eax
	pop	%rbp
	ret
end
1:	.long	77
moves "an immediate behind an operand that is relative to rip", bytes=11, far=FAR

begin
	movsd	1f(%rip), %xmm0
	movq	%xmm0, %rax
	xor	%rdi, %rax
	ret
end
1:	.double	2.5
moves "a vector load, relative to rip", bytes=8, far=FAR

begin
	push	1f(%rip)
	pop	%rax
	ret
end
1:	.quad	0x1122334455667788
moves "a push of what is relative to rip", bytes=6, far=FAR

begin
	mov	%rdi, %rax
	jmp	*1f(%rip)
end
	ud2
1:	address	2f
2:	add	%rsi, %rax
	ret
moves "a jump by an address in memory", bytes=9, far=FAR

	.irp	prefix, rcx, ecx
begin
	mov	%rdi, %rcx
	j\prefix\()z 1f
	mov	$1, %eax
	ret
1:	mov	$2, %eax
	ret
end
	.ifc	\prefix, rcx
moves "jrcxz"
	.else
moves "jecxz", bytes=6
	.endif
	.endr

	.irp	form, loop, loope, loopne
begin
	mov	%rsi, %rcx
	test	%rdi, %rdi
	\form	1f
	lea	1(%rcx), %rax
	ret
1:	lea	2(%rcx, %rcx), %rax
	ret
end
moves "\form behind the window", bytes=6

begin
	lea	(%rsi), %ecx
	nop
	\form	1f
	lea	1(%rcx), %rax
	ret
1:	lea	2(%rcx, %rcx), %rax
	ret
end
moves "\form"
	.endr

begin
	jrcxz	1f
	loop	1f
	lea	(%rdi, %rsi), %rax
	ret
1:	lea	(%rdi, %rsi, 2), %rax
	ret
end
moves "two short branches and one long instruction", bytes=8

begin
	call	1f
	lea	(%rax, %rdi), %rax
	ret
end
1:	mov	(%rsp), %rax		/* its return address */
	ret
moves "a call, whose return address stays true", calls=1

begin
	push	%rbx
	mov	%rdi, %rbx
	call	1f
	lea	(%rax, %rbx), %rax
	pop	%rbx
	ret
end
1:	mov	(%rsp), %rax
	ret
moves "a call as the window's last", bytes=9, calls=1

begin
	endbr64
	call	1f
	lea	(%rax, %rdi), %rax
	ret
end
1:	mov	(%rsp), %rax
	ret
moves "a call behind endbr64", at=4, calls=1

begin
	lea	1f(%rip), %rax
	call	*%rax
	lea	(%rax, %rdi), %rax
	ret
end
1:	mov	(%rsp), %rax
	ret
moves "an indirect call behind the window", bytes=7

begin
	push	%rbp
	mov	%rsp, %rbp
	call	*1f(%rip)
	lea	(%rax, %rdi), %rax
	pop	%rbp
	ret
end
1:	address	2f
2:	mov	(%rsp), %rax
	ret
moves "a call by an address in memory, as profilers want it", bytes=10, far=FAR, calls=1

begin
	mov	%rdx, %rax
	call	*%rax
	lea	(%rax, %rdi), %rax
	ret
end
moves "a call by a register", calls=1

begin
	push	%rbx
	mov	%rcx, %r9
	call	*(%r9)
	pop	%rbx
	ret
end
moves "a call by an address at a high register", bytes=7, calls=1

begin
	push	%rbx
	xor	%eax, %eax
	nop
	call	*%r8
	pop	%rbx
	ret
end
moves "a call by a high register", bytes=7, calls=1

begin
	push	%r12
	call	*%r12
	pop	%r12
	ret
end
moves "a call by the high register that is written like the stack pointer", calls=1

begin
	xor	%eax, %eax
	call	*8(%rcx, %rax, 8)
	ret
end
moves "a call by an address in a table", bytes=6, calls=1

begin
	call	1f
1:	pop	%rax
	ret
end
moves "a call that only asks where it is", calls=1

begin
	cmp	$1, %edi
	jbe	1f
	push	%rdi
	and	$15, %edi
	dec	%edi
	call	70b
	pop	%rdi
	imul	%rdi, %rax
	ret
1:	mov	$1, %eax
	ret
end
moves "a function that calls itself"

begin
	endbr64
1:	cmp	$1, %edi
	jbe	2f
	push	%rdi
	and	$15, %edi
	dec	%edi
	call	1b
	pop	%rdi
	imul	%rdi, %rax
	ret
2:	mov	$1, %eax
	ret
end
moves "a function that calls itself behind its endbr64", at=4

begin
	mov	%rdi, %rax
	.byte	0x67		/* as linkers write what was a call by an address in memory */
	call	1f
	ret
end
1:	mov	(%rsp), %rax
	ret
moves "a call with a prefix that means nothing", bytes=9, calls=1

begin
	mov	%rdi, %rax
	jmp	2f
	.byte	0x06, 0x06, 0x06	/* no instructions */
2:	test	%rsi, %rsi
	je	1f
	add	%rsi, %rax
1:	ret
end
moves "data between the code"

begin
	lea	2(%rdi, %rsi), %rax
	ret
	.byte	0x06
	.byte	0xeb			/* a jump that has lost its end */
end
moves "data behind the code"

begin
	lea	1(%rdi, %rsi), %rax
	jmp	3f
2:	.byte	0x48, 0xb8
	jmp	1f
	.skip	16, 0x90
3:	jmp	2b + 2
end
1:	ret
moves "a branch back to code that is in the middle of other code", bytes=5

/* ---- code apart ---- */

begin
	push	%rbx
	mov	%rdi, %rax
	test	%rsi, %rsi
	js	1f
2:	pop	%rbx
	ret
end
	ud2
1:	lea	3(%rdi), %rax
	jmp	2b
moves "code apart that comes back behind the window", bytes=7

begin
	mov	%rdi, %rax
	test	%rsi, %rsi
	.set	number, 0
	.rept	100
	js	1f + number
	.set	number, number + 1
	.endr
	add	%rsi, %rax
	ret
end
1:	.skip	100, 0x90
	ret
moves "more branches to code apart than are followed", bytes=6

begin
	mov	%rdi, %rax
	test	%rsi, %rsi
2:	js	1f
	add	%rsi, %rax
	ret
end
1:	xor	%esi, %esi
	jmp	2b
moves "code apart that comes back to just behind the window", bytes=6

begin
	mov	%rdi, %rax
	test	%rsi, %rsi
	js	1f
	add	%rsi, %rax
	ret
end
1:	xor	%esi, %esi
	jmp	70b
moves "code apart that begins anew", bytes=6

begin
	push	%rbx
	mov	%rdi, %rax
	test	%rsi, %rsi
	js	1f
	pop	%rbx
	ret
end
	ud2
1:	.skip	5000, 0x90
	lea	3(%rdi), %rax
	pop	%rbx
	ret
moves "much code apart", bytes=7

begin
	endbr64
	test	%rsi, %rsi
2:	mov	%rdi, %rax
	js	1f
	ret
end
	ud2
1:	neg	%rsi
	jmp	2b
entered "code apart that comes back into the window behind endbr64", bytes=6, at=4

begin
	endbr64
	mov	%rdi, %rax
	test	%rsi, %rsi
	js	1f
	ret
end
	ud2
1:	xor	%esi, %esi
	jmp	70b + 4
moves "code apart that begins anew behind endbr64", bytes=6, at=4

begin
	push	%rbx
2:	mov	%rdi, %rax
	test	%rsi, %rsi
	js	1f
	pop	%rbx
	ret
end
	ud2
1:	neg	%rsi
	jmp	2b
entered "code apart that comes back into the window", bytes=7

begin
	push	%rbx
2:	mov	%rdi, %rax
	test	%rsi, %rsi
	js	1f
	pop	%rbx
	ret
end
	ud2
3:	mov	$1, %esi
	call	4f
	jz	2b
4:	ret
	.skip	200, 0x90
1:	neg	%rsi
	jmp	3b
entered "code apart that goes on elsewhere, and comes back from there", bytes=7

begin
	push	%rbx
2:	mov	%rdi, %rax
	.byte	0x48, 0xc7, 0xc6	/* mov $..., %rsi: an instruction, then data */
	.long	0
	jmp	3f
	.byte	0x06
3:	test	%rax, %rax
	js	1f
	pop	%rbx
	ret
end
1:	call	2b
	ret
entered "code apart that calls into the window", bytes=11

	.section .note.GNU-stack, "", @progbits
