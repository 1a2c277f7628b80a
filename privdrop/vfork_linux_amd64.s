#include "go_asm.h"
#include "textflag.h"

#define SYS_exit_group 231

// func vfork(nr, a1, a2, a3 uintptr, list *call, out *outcome) uintptr
//
// SYSCALL destroys AX, CX and R11 and keeps the rest, in the child too. The
// return address stays on the stack: nothing is pushed over it.
TEXT ·vfork(SB), NOSPLIT|NOFRAME, $0-56
	MOVQ nr+0(FP), AX
	MOVQ a1+8(FP), DI
	MOVQ a2+16(FP), SI
	MOVQ a3+24(FP), DX
	MOVQ $0, R10
	MOVQ $0, R8
	MOVQ $0, R9
	MOVQ list+32(FP), R12
	MOVQ out+40(FP), R13
	TESTQ AX, AX
	JZ   perform // nothing to fork
	SYSCALL
	TESTQ AX, AX
	JZ   perform
	MOVQ AX, ret+48(FP)
	RET

perform:
	MOVQ call_nr(R12), AX
	MOVQ (call_args+0)(R12), DI
	MOVQ (call_args+8)(R12), SI
	MOVQ (call_args+16)(R12), DX
	MOVQ (call_args+24)(R12), R10
	MOVQ (call_args+32)(R12), R8
	MOVQ (call_args+40)(R12), R9
	SYSCALL
	MOVQ call_want(R12), BX
	TESTQ BX, BX
	JNZ  mustfail
	CMPQ AX, $0xfffffffffffff001 // -4095
	JCS  right
	MOVQ call_mayFail(R12), BX
	TESTQ BX, BX
	JZ   wrong

right:
	MOVQ call_feeds(R12), BX
	TESTQ BX, BX
	JZ   next
	IMULQ $call__size, BX
	MOVQ AX, call_args(R12)(BX*1)

next:
	ADDQ $call__size, R12
	JMP  perform

mustfail:
	NEGQ BX
	CMPQ AX, BX
	JEQ  next

wrong:
	MOVQ R12, outcome_at(R13)
	MOVQ AX, outcome_result(R13)
	MOVQ nr+0(FP), AX
	TESTQ AX, AX
	JZ   back
	MOVQ $127, DI
	MOVQ $SYS_exit_group, AX
	SYSCALL
	INT  $3

back:
	MOVQ $0, ret+48(FP)
	RET
