#include "textflag.h"

// func prlimit(resource uintptr, old *limit) (failed uintptr)
//
// prlimit64(0, resource, NULL, old), without the package that would have
// raised the limit by then.
TEXT ·prlimit(SB), NOSPLIT, $0-24
	MOVQ	$302, AX
	XORL	DI, DI
	MOVQ	resource+0(FP), SI
	XORL	DX, DX
	MOVQ	old+8(FP), R10
	SYSCALL
	MOVQ	AX, failed+16(FP)
	RET
