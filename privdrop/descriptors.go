package privdrop

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// ownTable takes the child out of the descriptor table that it is born with, which is
// this process's. Of that it copies what lies below the highest of Files: a launch costs
// the same however many descriptors this process has open above. Nothing before it may
// open or close any.
func (b *builder) ownTable() {
	end := slices.Max(b.spec.Files) + 1
	b.shares = true
	b.add(ownTable, fmt.Sprintf("in a child: close_range(%d, ~0, CLOSE_RANGE_UNSHARE)", end), unix.SYS_CLOSE_RANGE,
		uintptr(end), uintptr(^uint32(0)), unix.CLOSE_RANGE_UNSHARE)
}

const ownTable = "descriptor table of its own"

// descriptors makes Files[i] descriptor i. Those whose number is another's place
// are moved out of the way first. All others are marked to be closed by execve:
// Exec's process may still need them should it fail.
func (b *builder) descriptors() {
	n := len(b.spec.Files)
	moved := make([]int, n) // calls that move them
	for i, fd := range b.spec.Files {
		if fd != i && fd < n {
			moved[i] = b.add(fmt.Sprintf("dup descriptor %d", fd), fmt.Sprintf("fcntl(%d, F_DUPFD_CLOEXEC, %d)", fd, n),
				unix.SYS_FCNTL, uintptr(fd), unix.F_DUPFD_CLOEXEC, uintptr(n))
		}
	}
	for i, fd := range b.spec.Files {
		b.place(i, fd, moved[i])
	}
	b.add("close_range", fmt.Sprintf("close_range(%d, ~0, CLOSE_RANGE_CLOEXEC)", n), unix.SYS_CLOSE_RANGE,
		uintptr(n), uintptr(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
}

func (b *builder) place(i, fd, moved int) {
	name := fmt.Sprintf("dup descriptor %d to %d", fd, i)
	switch {
	case fd == i: // dup3 refuses that, and FD_CLOEXEC has to go
		b.add(fmt.Sprintf("keep descriptor %d", fd), fmt.Sprintf("fcntl(%d, F_SETFD, 0)", fd), unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0)
	case moved > 0:
		b.feed(moved, b.add(name, fmt.Sprintf("dup3(copy of %d, %d, 0)", fd, i), unix.SYS_DUP3, 0, uintptr(i), 0))
	default:
		b.add(name, fmt.Sprintf("dup3(%d, %d, 0)", fd, i), unix.SYS_DUP3, uintptr(fd), uintptr(i), 0)
	}
}
