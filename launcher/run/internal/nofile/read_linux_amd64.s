#include "textflag.h"

// func prlimit(old *Limit) (failed uintptr)
//
// prlimit64(0, RLIMIT_NOFILE, NULL, old), without the package that would have
// raised the limit by then.
TEXT ·prlimit(SB), NOSPLIT, $0-16
	MOVQ	$302, AX
	XORL	DI, DI
	MOVQ	$7, SI
	XORL	DX, DX
	MOVQ	old+0(FP), R10
	SYSCALL
	MOVQ	AX, failed+8(FP)
	RET
