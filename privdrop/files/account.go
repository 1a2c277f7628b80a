package files

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Account is whose rights to files a thread can take.
type Account struct {
	UID, GID int
	Groups   []int // supplementary ones
}

// Become gives this thread the account's rights to files, and reports whether it has
// them. They are those of the thread alone (setfsuid(2)): so nobody may signal this
// process that could not before. The thread must be one of its own.
func (a *Account) Become() bool {
	if os.Geteuid() != 0 {
		return a.UID == os.Geteuid()
	}
	groups := make([]uint32, len(a.Groups)+1) // one more, so that there is an address
	for i, gid := range a.Groups {
		groups[i] = uint32(gid)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(a.Groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if errno != 0 {
		return false
	}
	unix.SetfsgidRetGid(a.GID)
	unix.SetfsuidRetUid(a.UID) // takes the capabilities that go past file modes, too
	gid, _ := unix.SetfsgidRetGid(-1)
	uid, _ := unix.SetfsuidRetUid(-1)
	return gid == a.GID && uid == a.UID
}

// groups are all that the account is in.
func (a *Account) groups() []int {
	if a == nil {
		return nil
	}
	return append([]int{a.GID}, a.Groups...)
}
