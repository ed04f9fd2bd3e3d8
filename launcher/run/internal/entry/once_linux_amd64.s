#include "textflag.h"

// doorward_once_rt0 is doorward_rt0 for programs that run once for each
// connection: it adds GOMAXPROCS=1 at the end of the environment, unless there
// is a GOMAXPROCS, and sets ·alone.
//
// What the stack begins with (argc, argv, NULL, environment, NULL, auxv) is
// copied to below itself. Where it was it stays, for a C library has a pointer
// to it by now. What is longer than 4 kB is left alone: a stack may be small, and
// an environment as large as somebody wants it.
//
//	R8   where the environment ends: its NULL
//	R9   where everything ends
//	R10  what is read
//	R11  what is written
//
// DX is doorward_rt0's to have.
TEXT doorward_once_rt0(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(SP), AX
	LEAQ	16(SP)(AX*8), R8
	MOVQ	·gomaxprocs(SB), BX
	JMP	variable
next:
	ADDQ	$8, R8
variable:
	MOVQ	0(R8), R10
	TESTQ	R10, R10
	JEQ	absent
	CMPQ	BX, 0(R10)	// GOMAXPRO; there is more on the stack behind the last string
	JNE	next
	MOVL	8(R10), AX
	XORL	·gomaxprocs+8(SB), AX
	TESTL	$0xffffff, AX	// CS=
	JNE	next
	JMP	doorward_rt0(SB)

absent:
	LEAQ	8(R8), R9
vector:
	MOVQ	0(R9), AX
	ADDQ	$16, R9
	TESTQ	AX, AX
	JNE	vector

	MOVQ	SP, R10
	MOVQ	R9, AX
	SUBQ	SP, AX
	CMPQ	AX, $4096
	JHI	large
	ADDQ	$(8+15), AX	// one word more, and the stack's alignment
	ANDQ	$~15, AX
	SUBQ	AX, SP
	MOVQ	SP, R11
copy:
	CMPQ	R10, R8
	JNE	word
	LEAQ	·gomaxprocs(SB), AX
	MOVQ	AX, 0(R11)
	ADDQ	$8, R11
word:
	MOVQ	0(R10), AX
	MOVQ	AX, 0(R11)
	ADDQ	$8, R10
	ADDQ	$8, R11
	CMPQ	R10, R9
	JNE	copy
	MOVQ	$1, ·alone(SB)
large:
	JMP	doorward_rt0(SB)

DATA	·gomaxprocs+0(SB)/8, $"GOMAXPRO"
DATA	·gomaxprocs+8(SB)/8, $"CS=1\x00\x00\x00\x00"
GLOBL	·gomaxprocs(SB), NOPTR|RODATA, $16

// func growStack()
TEXT ·growStack(SB), 0, $20480-0
	RET
