#include "textflag.h"

// func getrlimit(l *rlimit)
TEXT ·getrlimit(SB), NOSPLIT, $0-8
	MOVD $0, R0          // this process
	MOVD $7, R1          // RLIMIT_NOFILE
	MOVD $0, R2
	MOVD l+0(FP), R3
	MOVD $261, R8        // prlimit64
	SVC
	RET
