//go:build !forkexec

#include "textflag.h"

// func vfork(args *cloneArgs, ops *op, failed *failure) (pid, errno uintptr)
//
// The child returns from clone3 on its parent's stack and in its parent's
// memory, so it touches neither, apart from what it was given: it takes one
// system call after the other out of ops, keeping its place in a register. The
// last is execve. If one fails it leaves word in failed and exits. The parent
// sleeps until then.
TEXT ·vfork(SB), NOSPLIT, $0-40
	MOVQ	ops+8(FP), R12
	MOVQ	failed+16(FP), R13
	MOVQ	args+0(FP), DI
	MOVQ	$64, SI		// CLONE_ARGS_SIZE_VER0
	MOVQ	$435, AX	// clone3
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	CMPQ	AX, $0xfffffffffffff001
	JCC	none
	MOVQ	AX, pid+24(FP)
	MOVQ	$0, errno+32(FP)
	RET
none:
	NEGQ	AX
	MOVQ	$0, pid+24(FP)
	MOVQ	AX, errno+32(FP)
	RET

child:
	MOVQ	0(R12), AX
	MOVQ	8(R12), DI
	MOVQ	16(R12), SI
	MOVQ	24(R12), DX
	MOVQ	32(R12), R10
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	fail
	ADDQ	$40, R12
	JMP	child
fail:
	NEGQ	AX
	MOVQ	AX, 0(R13)
	MOVQ	R12, 8(R13)
exit:
	MOVQ	$60, AX		// exit
	MOVQ	$127, DI
	SYSCALL
	JMP	exit
