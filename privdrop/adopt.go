package privdrop

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// What Adopt says of a process that is not there to be adopted.
var (
	// ErrGone: no process has that pid, or another one has it now.
	ErrGone = errors.New("the process is gone")
	// ErrEnded is an ErrGone too: it is the process that was meant, but it has
	// ended, and its parent has not reaped it yet.
	ErrEnded error = ended{}
)

type ended struct{}

func (ended) Error() string        { return "the process has ended" }
func (ended) Is(target error) bool { return target == ErrGone }

// Adopt gives the process pid if it is the one that Identity told start and
// inode of, and lives; otherwise the error is ErrGone. With inode 0, start alone
// tells. It need not be a child of this process, and is not reaped by it if not.
//
// The descriptor is opened first, and belongs to one process for good. It is that
// process which start is read of, as long as it has not ended afterwards: a pid
// is not given out again before.
func Adopt(pid int, start, inode uint64) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	switch {
	case err == unix.ESRCH, err == unix.EINVAL, err == unix.ENOENT: // the last two: a thread has that number
		return nil, fmt.Errorf("pid %d: %w", pid, ErrGone)
	case err != nil:
		return nil, fmt.Errorf("pid %d: %w", pid, os.NewSyscallError("pidfd_open", err))
	}
	p := &Process{Pid: pid, fd: fd}
	if err := p.verify(start, inode); err != nil {
		p.Close()
		return nil, fmt.Errorf("pid %d: %w", pid, err)
	}
	return p, nil
}

func (p *Process) verify(start, inode uint64) error {
	nowStart, nowInode, err := p.Identity()
	switch {
	case err != nil:
		return err
	case nowStart != start || inode != 0 && nowInode != 0 && nowInode != inode:
		return ErrGone
	case p.Alive():
		return nil
	case p.Signal(0) == nil: // a zombie, whose pid is still taken
		return ErrEnded
	}
	return ErrGone // and start may be that of another
}

// Identity is what tells this process from every other since the machine was
// booted: its start in clock ticks after the boot, and the inode of its pidfd,
// which is 0 before Linux 6.9. The caller must not have reaped it; the error is
// ErrGone otherwise.
func (p *Process) Identity() (start, inode uint64, err error) {
	if start, err = startTime(p.Pid); errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, 0, ErrGone
	}
	if err != nil {
		return 0, 0, err
	}
	inode, err = inodeOf(p.fd)
	return start, inode, err
}

// inodeOf is 0 where all pidfds are files of one anonymous inode.
func inodeOf(pidfd int) (uint64, error) {
	var system unix.Statfs_t
	if err := unix.Fstatfs(pidfd, &system); err != nil {
		return 0, os.NewSyscallError("fstatfs pidfd", err)
	}
	if system.Type != unix.PID_FS_MAGIC {
		return 0, nil
	}
	var st unix.Stat_t
	err := unix.Fstat(pidfd, &st)
	return st.Ino, os.NewSyscallError("fstat pidfd", err)
}

// startTime is the 22nd field of /proc/PID/stat (proc_pid_stat(5)), counted from
// behind the last ")": the name before it may hold any byte.
func startTime(pid int) (uint64, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	text, err := files.Read(path)
	if err != nil {
		return 0, err
	}
	const behindName = 22 - 3
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= behindName {
		return 0, fmt.Errorf("%s: %d fields behind the name", path, len(fields))
	}
	return strconv.ParseUint(string(fields[behindName]), 10, 64)
}

// Descriptor gives a copy of the descriptor n of the process, close-on-exec; for
// the listening sockets that it has inherited. It takes the right to trace the
// process (pidfd_getfd(2)).
func (p *Process) Descriptor(n int) (fd int, err error) {
	if fd, err = unix.PidfdGetfd(p.fd, n, 0); err != nil {
		return -1, fmt.Errorf("descriptor %d of pid %d: %w", n, p.Pid, os.NewSyscallError("pidfd_getfd", err))
	}
	return fd, nil
}
