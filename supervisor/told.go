package supervisor

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"supd/supervisor/record"
)

// told is a file in memory with the inodes of the sockets that this process has open, for a
// program that it runs to find out whether that could take its place. Without CAP_SYS_PTRACE
// that cannot look for itself, though it has the same rights: once supd has launched a worker
// of another user it counts as not dumpable (PR_SET_DUMPABLE in prctl(2), ptrace(2)).
func told() (*os.File, error) {
	inodes := map[uint64]bool{}
	new(handed).addOpen(os.Getpid(), inodes)
	fd, err := unix.MemfdCreate("sockets of supd", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "sockets of supd")
	err = json.NewEncoder(file).Encode(slices.Sorted(maps.Keys(inodes)))
	if _, e := file.Seek(0, io.SeekStart); err == nil {
		err = e
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// addTold reads what told has written. Anything else but a file is of somebody who tells
// nothing.
func (h *handed) addTold(file *os.File) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	var inodes []uint64
	if json.NewDecoder(io.LimitReader(file, record.MostBytes)).Decode(&inodes) != nil {
		return
	}
	for _, inode := range inodes {
		h.inodes[inode] = true
	}
}
