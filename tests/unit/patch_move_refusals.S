/* SPDX-License-Identifier: MIT */
/* Entries that must be left alone. */
#include "patch_move_case.inc"

/* ---- too short ---- */

begin
end
refused SHORT, "nothing"

begin
	ret
end
refused SHORT, "a return"

begin
	xor	%eax, %eax
	ret
end
refused SHORT, "a function of three bytes"

begin
	endbr64
	xor	%eax, %eax
	ret
end
refused SHORT, "a function of seven bytes, four of them endbr64"

begin
	endbr64
	mov	%rdi, %rax
end
	ret
refused SHORT, "a function that goes on in the next one"

begin
	jmp	1f
end
	.skip	8, 0x90
1:	ret
refused SHORT, "a jump of 8 bits, and padding that is not the function's"

begin
	mov	(%rdi), %eax
	ret
	mov	$1, %eax
	ret
end
refused SHORT, "a return, and code behind it"

begin
	ret
	.byte	0x06, 0x06, 0x06, 0x06, 0x06
end
refused SHORT, "a return, and data behind it"

/* ---- branches into the window ---- */

begin
	mov	%rdi, %rax
1:	inc	%rax
	dec	%rsi
	jnz	1b
	ret
end
refused BRANCH_INTO, "a loop within the window and what follows"

begin
	mov	%rdi, %rax
1:	inc	%rax
	.skip	140, 0x90
	dec	%rsi
	jnz	1b
	ret
end
refused BRANCH_INTO, "a longer loop"

begin
	push	%rbx
1:	push	%rbx
	mov	%rdi, %rax
	.skip	140, 0x90
	jmp	1b
end
refused BRANCH_INTO, "a jump of 32 bits"

begin
	inc	%rdi
	inc	%rsi
	loop	70b
	ret
end
refused BRANCH_INTO, "a loop to the function's first instruction"

begin
	inc	%rdi
	inc	%rsi
	dec	%rdx
	jnz	70b
	ret
end
refused BRANCH_INTO, "a jump to the function's first instruction"

begin
	endbr64
	inc	%rdi
	inc	%rsi
	dec	%rdx
	jnz	70b
	ret
end
refused BRANCH_INTO, "a jump to endbr64"

begin
	endbr64
1:	inc	%rdi
	inc	%rsi
	dec	%rdx
	jnz	1b
	ret
end
refused BRANCH_INTO, "a jump to behind endbr64"

begin
	push	%rbx
1:	push	%rbx
	mov	%rdi, %rax
	call	1b
	ret
end
refused BRANCH_INTO, "a call into the window"

begin
	jrcxz	1f
	inc	%eax
1:	inc	%eax
	ret
end
refused BRANCH_INTO, "a branch from the window into itself"

begin
	push	%rbx
1:	push	%rbx
	xor	%eax, %eax
	xbegin	1b
	ret
end
refused BRANCH_INTO, "a transaction that is given up there"

begin
	push	%rbx
1:	push	%rbx
	xor	%eax, %eax
	nop
	jmp	2f
	.byte	0x48, 0xb8		/* swallows the next eight bytes, for a disassembler */
2:	dec	%rdi
	jnz	1b
	pop	%rbx
	pop	%rbx
	ret
end
refused BRANCH_INTO, "a branch in code that looks like data"

begin
	push	%rbx
1:	push	%rbx
	xor	%eax, %eax
	nop
	jmp	2f
	.byte	0x48, 0xb8
3:	jmp	1b
	.skip	6, 0x90
	.skip	80, 0x90
2:	jmp	4f
	.byte	0x48, 0xb8
4:	jmp	3b
	.skip	6, 0x90
	ret
end
refused BRANCH_INTO, "a branch in code that looks like data, and is reached from such code only"

begin
	push	%rbx
1:	push	%rbx
	xor	%eax, %eax
	nop
	.byte	0x06
	jrcxz	1b
	ret
end
refused BRANCH_INTO, "a branch behind data"

begin
	push	%rbx
1:	push	%rbx
	xor	%eax, %eax
	nop
	.skip	20000, 0x90
	jmp	1b
end
refused BRANCH_INTO, "a branch at the end of a very long function"

/* ---- breakpoints ---- */

begin
	int3
	mov	%rsp, %rbp
	mov	%rdi, %rax
	ret
end
refused BREAKPOINT, "a breakpoint on the first instruction"

begin
	endbr64
	int3
	mov	%rdi, %rax
	ret
end
refused BREAKPOINT, "a breakpoint behind endbr64"

begin
	int3
	.byte	0x0f, 0x1e, 0xfa	/* what is left of endbr64 */
	mov	%rdi, %rax
	ret
end
refused BREAKPOINT, "a breakpoint on endbr64"

begin
	push	%rbp
	int3
	.byte	0x89, 0xe5
	mov	%rdi, %rax
	ret
end
refused BREAKPOINT, "a breakpoint on the second instruction"

begin
	push	%rbp
	.byte	0xcd, 3
	mov	%rdi, %rax
	ret
end
refused BREAKPOINT, "int 3 in two bytes"

begin
	push	%rbp
	.byte	0xf1
	mov	%rdi, %rax
	ret
end
refused BREAKPOINT, "the breakpoint of other debuggers"

/* ---- no code ---- */

begin
	.byte	0x06, 0x90, 0x90, 0x90, 0x90, 0x90
end
refused UNKNOWN, "no instruction"

begin
	push	%rbx
	.byte	0x0f, 0x04, 0x90, 0x90, 0x90, 0x90, 0x90
end
refused UNKNOWN, "an instruction, then none"

begin
	push	%rbx
	.byte	0x48, 0xb8, 1, 2, 3, 4
end
	.byte	5, 6, 7, 8
refused UNKNOWN, "an instruction that is longer than the function"

/* ---- what cannot be moved ---- */

begin
	push	%rbx
	push	%rbx
	call	*%rdx
	pop	%rbx
	pop	%rbx
	ret
end
refused UNMOVABLE, "a call that leaves room for too little"

begin
	push	%rbx
	push	%rax
	call	*8(%rsp)
	pop	%rbx
	pop	%rbx
	ret
end
refused UNMOVABLE, "a call by an address on the stack"

begin
	mov	%rdi, %rax
	nop
	call	*%rsp
	ret
end
refused UNMOVABLE, "a call by the stack pointer"

begin
	mov	%rdi, %rax
	syscall
	ret
end
refused UNMOVABLE, "a system call"

begin
	mov	%rdi, %rax
	int	$0x80
	ret
end
refused UNMOVABLE, "an interrupt"

begin
	mov	%rdi, %rax
	xbegin	1f
1:	ret
end
refused UNMOVABLE, "the begin of a transaction"

begin
	mov	%rdi, %rax
	lcall	*(%rdi)
	ret
end
refused UNMOVABLE, "a call into another segment"

begin
	mov	%rdi, %rax
	ljmp	*(%rdi)
end
refused UNMOVABLE, "a jump into another segment"

begin
	.byte	0x66, 0xe9, 1, 0, 0, 0
	nop
	ret
end
refused UNMOVABLE, "a jump that not all processors read alike"

begin
	mov	%rdi, %rax
	.byte	0x66, 0x74, 1
	nop
	ret
end
refused UNMOVABLE, "a conditional jump that not all processors read alike"

begin
	mov	%rdi, %rax
	.byte	0x66, 0xff, 0xd2
	ret
end
refused UNMOVABLE, "a call of 16 bits"

begin
	lea	1f(%eip), %rax
	ret
end
1:	ret
refused UNMOVABLE, "an address that is relative to half of rip"

	.section .note.GNU-stack, "", @progbits
