#include "textflag.h"

// func calls(ops, undo *op) (errno uintptr)
//
//	R12  the op at hand
//	R13  0 in ops, the errno to return in undo
TEXT ·calls(SB), NOSPLIT, $0-24
	MOVQ	ops+0(FP), R12
	XORL	R13, R13
next:
	MOVQ	0(R12), AX
	MOVQ	8(R12), DI
	MOVQ	16(R12), SI
	MOVQ	24(R12), DX
	MOVQ	32(R12), R10
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	failed
	ADDQ	$40, R12
	JMP	next
failed:
	TESTQ	R13, R13
	JNE	done
	NEGQ	AX
	MOVQ	AX, R13
	MOVQ	undo+8(FP), R12
	JMP	next
done:
	MOVQ	R13, errno+16(FP)
	RET
