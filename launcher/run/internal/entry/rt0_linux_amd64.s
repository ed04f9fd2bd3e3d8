#include "textflag.h"

// doorward_rt0 is where the kernel, or the dynamic linker, starts the program.
// There is no Go yet: the stack begins with argc, DX is a function to call at
// exit, and both are the runtime's to have.
//
//	R12  DX as it came
//	R13  the limit at hand, in ·raised
//	R14  its resource
TEXT doorward_rt0(SB), NOSPLIT|NOFRAME, $0
	MOVQ	DX, R12
	LEAQ	·raised(SB), R13
	MOVQ	$2, R14		// RLIMIT_DATA
raise:
	MOVQ	$302, AX	// prlimit64(0, resource, NULL, limit)
	XORL	DI, DI
	MOVQ	R14, SI
	XORL	DX, DX
	MOVQ	R13, R10
	SYSCALL
	TESTQ	AX, AX
	JNE	forget
	MOVQ	8(R13), AX
	CMPQ	AX, 0(R13)
	JEQ	forget
	PUSHQ	AX		// the new limit: hard, and soft as high
	PUSHQ	AX
	MOVQ	$302, AX	// prlimit64(0, resource, new, NULL)
	XORL	DI, DI
	MOVQ	R14, SI
	MOVQ	SP, DX
	XORL	R10, R10
	SYSCALL
	POPQ	CX
	POPQ	CX
	TESTQ	AX, AX
	JEQ	next
forget:
	MOVQ	$0, 0(R13)
	MOVQ	$0, 8(R13)
next:
	ADDQ	$16, R13
	CMPQ	R14, $9
	MOVQ	$9, R14		// RLIMIT_AS
	JNE	raise
	MOVQ	R12, DX
	JMP	_rt0_amd64_linux(SB)
