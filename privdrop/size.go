package privdrop

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TooLong says how much execve(2) takes of one argument or one NAME=value, if s is
// above that: MAX_ARG_STRLEN, 32 pages with the zero byte at the end.
func TooLong(s string) error {
	if most := 32 * os.Getpagesize(); len(s) >= most {
		return fmt.Errorf("has %d bytes, and execve(2) takes less than %d in one argument or variable; put it into a file that the program reads", len(s), most)
	}
	return nil
}

// TooMuch says the same of all arguments and the whole environment together. They
// have a quarter of the stack, at most 6 MiB and at least 128 KiB (bprm_stack_limits
// in fs/exec.c). Each takes a pointer beside its bytes, and the path goes there too.
func TooMuch(path string, argv, env []string, stack uint64) error {
	const pointer, least, highest = 8, 128 << 10, 6 << 20
	most := max(min(stack/4, highest), least)
	size := uint64(len(path) + 1)
	for _, all := range [][]string{argv, env} {
		for _, s := range all {
			size += uint64(len(s) + 1 + pointer)
		}
	}
	if size > most {
		return fmt.Errorf("arguments and environment have %d bytes together, and execve(2) takes %d, a quarter of limits.stack at most; put what is long into files", size, most)
	}
	return nil
}

// StackLimit is what a worker with these limits has of its stack at the execve: the
// limit of this process, unless they say otherwise.
func (l Limits) StackLimit() uint64 {
	if own, ok := l["stack"]; ok {
		return own.Soft
	}
	var own unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_STACK, &own) != nil {
		return Unlimited
	}
	return own.Cur
}
