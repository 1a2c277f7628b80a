package files

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Access control lists, as the kernel gives and takes them: of a file, and what is made in
// a directory gets (acl(5), include/uapi/linux/posix_acl_xattr.h).
const (
	AccessList  = "system.posix_acl_access"
	DefaultList = "system.posix_acl_default"

	ListVersion = 2
	ListOwner   = 0x01
	ListUser    = 0x02
	ListGroup   = 0x04
	ListMask    = 0x10
	ListOthers  = 0x20
)

// mostList is what the kernel keeps as the value of one attribute (XATTR_SIZE_MAX).
const mostList = 64 << 10

// HasList reports whether there is an access control list beside the mode of what is at a
// path; a symbolic link there is not followed. What it lets others do shows in the
// group's bits of the mode, whatever the group itself may do.
func HasList(path string) bool {
	size, err := unix.Lgetxattr(path, AccessList, nil)
	return err == nil && size > 0
}

// WithoutList is the mode that what is at a path has where its list counts for nothing:
// the group's bits are those of the group itself.
func WithoutList(path string, mode uint32) uint32 {
	if !HasList(path) {
		return mode
	}
	mode &^= 0o070
	list := make([]byte, mostList)
	n, err := unix.Lgetxattr(path, AccessList, list)
	if err != nil || n < 4 || binary.LittleEndian.Uint32(list) != ListVersion {
		return mode
	}
	for list = list[4:n]; len(list) >= 8; list = list[8:] { // tag, permissions, id
		if binary.LittleEndian.Uint16(list) == ListGroup {
			mode |= uint32(binary.LittleEndian.Uint16(list[2:])&0o7) << 3
		}
	}
	return mode
}

// DropLists takes the lists off a directory that it has from the one that it was made in,
// so that nothing in it gets them either.
func DropLists(fd int) error {
	for _, name := range []string{AccessList, DefaultList} {
		if err := unix.Fremovexattr(fd, name); err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return nil
}
