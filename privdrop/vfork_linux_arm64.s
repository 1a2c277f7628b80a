#include "go_asm.h"
#include "textflag.h"

#define SYS_exit_group 94

// func vfork(nr, a1, a2, a3 uintptr, list *call, out *outcome) uintptr
//
// SVC keeps all registers but R0, in the child too; the return address is in
// R30.
TEXT ·vfork(SB), NOSPLIT|NOFRAME, $0-56
	MOVD nr+0(FP), R8
	MOVD a1+8(FP), R0
	MOVD a2+16(FP), R1
	MOVD a3+24(FP), R2
	MOVD $0, R3
	MOVD $0, R4
	MOVD $0, R5
	MOVD list+32(FP), R19
	MOVD out+40(FP), R20
	CBZ  R8, perform // nothing to fork
	SVC
	CBZ  R0, perform
	MOVD R0, ret+48(FP)
	RET

perform:
	MOVD call_nr(R19), R8
	MOVD (call_args+0)(R19), R0
	MOVD (call_args+8)(R19), R1
	MOVD (call_args+16)(R19), R2
	MOVD (call_args+24)(R19), R3
	MOVD (call_args+32)(R19), R4
	MOVD (call_args+40)(R19), R5
	SVC
	MOVD call_want(R19), R9
	CBNZ R9, mustfail
	CMN  $4095, R0 // carry: -4095 and above
	BCC  right
	MOVD call_mayFail(R19), R9
	CBZ  R9, wrong

right:
	MOVD call_feeds(R19), R9
	CBZ  R9, next
	MOVD $call__size, R10
	MADD R10, R19, R9, R9 // R9*R10 + R19
	MOVD R0, call_args(R9)

next:
	ADD $call__size, R19
	B   perform

mustfail:
	NEG R9, R9
	CMP R9, R0
	BEQ next

wrong:
	MOVD R19, outcome_at(R20)
	MOVD R0, outcome_result(R20)
	MOVD nr+0(FP), R8
	CBZ  R8, back
	MOVD $127, R0
	MOVD $SYS_exit_group, R8
	SVC
	BRK

back:
	MOVD ZR, ret+48(FP)
	RET
