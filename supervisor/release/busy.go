package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
	"supd/supervisor/tree"
)

// lookTime is how long a look at what all processes have mounted may take: far above what
// a thousand workers take on a machine with many containers.
const lookTime = 10 * time.Second

var errLook = fmt.Errorf("the look at what all processes have mounted has not come to its end within %s", lookTime)

// busy gives the names of an app's snapshots that are mounted in a namespace of supd's: one
// that belongs to the user namespace of this process. A supd that was killed leaves
// processes in such. With an error nothing is known, and any snapshot may be in use.
//
// Anybody can make a user namespace, and mount namespaces in it, in which a snapshot is
// mounted, or ten thousand other directories are. Those are not looked at: to make one that
// belongs to this user namespace takes CAP_SYS_ADMIN in it. So what a worker's processes
// have in user namespaces of their own keeps no snapshot, and the worker's own does.
func (s *Store) busy(ctx context.Context, app string) (map[string]bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, errLook)
	defer cancel()
	var found map[string]bool
	var unseen error
	_, err := files.Soon(ctx, func() { found, unseen = s.look(ctx, app) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("which snapshots are in use: %w", context.Cause(ctx))
	case unseen != nil:
		return nil, fmt.Errorf("which snapshots are in use: %w", unseen)
	}
	return found, nil
}

func (s *Store) look(ctx context.Context, app string) (map[string]bool, error) {
	l, err := s.newLook(ctx, app)
	if err != nil {
		return nil, err
	}
	pids, err := tree.Numbers("/proc")
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if err := l.process(pid, false); err != nil {
			return nil, err
		}
	}
	for _, pid := range l.chrooted {
		if err := l.process(pid, true); err != nil {
			return nil, err
		}
	}
	return l.found, nil
}

func (s *Store) newLook(ctx context.Context, app string) (*look, error) {
	l := &look{ctx: ctx, ours: map[uint64]bool{}, done: map[uint64]bool{}, chrooted: map[uint64]int{}, most: mostMounts, found: map[string]bool{}}
	var err error
	if l.device, l.root, err = placeOf(s.snapshots(app)); err != nil {
		return nil, err
	}
	if err := unix.Stat("/proc/self/ns/user", &l.user); err != nil {
		return nil, &os.PathError{Op: "stat", Path: "/proc/self/ns/user", Err: err}
	}
	return l, nil
}

// placeOf gives how mountinfo names a directory: by its file system, and by the path from
// the root of that, which is the same in all namespaces.
func placeOf(dir string) (device, root string, err error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", "", &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "", "", err
	}
	info, err := files.Read(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return "", "", err
	}
	_, after, _ := strings.Cut(string(info), "mnt_id:")
	id, _, _ := strings.Cut(strings.TrimSpace(after), "\n")
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	defer mounts.Close()
	err = tree.EachMount(mounts, func(m tree.Mount) bool {
		if m.ID == id {
			beneath, _ := filepath.Rel(m.Point, path)
			device, root = m.Device, filepath.Join(m.Root, beneath)
		}
		return device == ""
	})
	if err == nil && device == "" {
		err = fmt.Errorf("%s: is on no file system that this process sees", dir)
	}
	return device, root, err
}

// look is one at all processes. Namespaces are told apart by their inodes.
type look struct {
	ctx          context.Context
	user         unix.Stat_t // the user namespace of this process
	device, root string      // of the directory of the app's snapshots
	ours, done   map[uint64]bool
	chrooted     map[uint64]int // a process of each namespace whose root is another directory
	most         int64          // bytes of text for each namespace
	found        map[string]bool
}

// process looks at the mounts of a process, unless its namespace is not supd's or was looked
// at already. One with a root of its own sees only what is mounted in there; it is looked at
// last, for namespaces in which no other process is.
func (l *look) process(pid int, chrooted bool) error {
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	// By descriptor: another process may get the pid meanwhile.
	dir, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unlessGone(err)
	}
	defer unix.Close(dir)
	namespace, isOurs, err := l.namespace(dir)
	switch {
	case errors.Is(err, unix.EACCES) && os.Geteuid() != 0:
		// Another user's process, which who is not root has not launched. Nor has it mounted
		// anything: its own workers are seen, and have no mounts of their own either.
		return nil
	case errors.Is(err, unix.EACCES):
		// Root without CAP_SYS_PTRACE, in a container perhaps, does not see whose the
		// namespace is: it may be a worker's.
		return unlessGone(l.read(dir))
	case err != nil:
		return unlessGone(err)
	case !isOurs || l.done[namespace]:
		return nil
	}
	if !chrooted {
		var root [2]byte
		if n, err := unix.Readlinkat(dir, "root", root[:]); err != nil || string(root[:n]) != "/" {
			l.chrooted[namespace] = pid
			return nil
		}
	}
	if err := l.read(dir); err != nil {
		return unlessGone(err)
	}
	// It may have ended, or gone to a namespace of its own, before it was read.
	if after, _, err := l.namespace(dir); err == nil && after == namespace {
		l.done[namespace] = true
	}
	return nil
}

// unlessGone is nil for what is said of a process that has ended: a zombie has no namespace.
func unlessGone(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// namespace gives the mount namespace of a process, and whether it belongs to this user
// namespace (ioctl_nsfs(2)). One that belongs to none that this process may know of
// (EPERM), outside of its container, does not.
func (l *look) namespace(dir int) (inode uint64, isOurs bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, "ns/mnt", &st, 0); err != nil {
		return 0, false, os.NewSyscallError("stat ns/mnt", err)
	}
	if isOurs, known := l.ours[st.Ino]; known {
		return st.Ino, isOurs, nil
	}
	fd, err := unix.Openat(dir, "ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false, os.NewSyscallError("open ns/mnt", err)
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil { // it may have got another one just now
		return 0, false, os.NewSyscallError("fstat ns/mnt", err)
	}
	user, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	switch {
	case errors.Is(err, unix.EPERM):
		l.ours[st.Ino] = false
		return st.Ino, false, nil
	case err != nil:
		return 0, false, os.NewSyscallError("ioctl NS_GET_USERNS", err)
	}
	defer unix.Close(user)
	var owner unix.Stat_t
	if err := unix.Fstat(user, &owner); err != nil {
		return 0, false, os.NewSyscallError("fstat user namespace", err)
	}
	l.ours[st.Ino] = owner.Dev == l.user.Dev && owner.Ino == l.user.Ino
	return st.Ino, l.ours[st.Ino], nil
}

// mostMounts bounds the text of one namespace, in bytes: users may mount in supd's by
// programs such as fusermount3, if only little.
const mostMounts = 64 << 20

// read adds the app's snapshots that a process has mounted, as a whole or in part.
func (l *look) read(dir int) error {
	fd, err := unix.Openat(dir, "mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open mountinfo", err)
	}
	mounts := os.NewFile(uintptr(fd), "mountinfo")
	defer mounts.Close()
	text := &io.LimitedReader{R: mounts, N: l.most}
	err = tree.EachMount(text, func(m tree.Mount) bool {
		if beneath, is := strings.CutPrefix(m.Root, l.root+"/"); is && m.Device == l.device {
			name, _, _ := strings.Cut(beneath, "/")
			l.found[name] = true
		}
		return l.ctx.Err() == nil
	})
	switch {
	case err != nil:
		return err
	case text.N == 0:
		return fmt.Errorf("the mounts of a process make more than %d bytes of text; look who has mounted so much", l.most)
	}
	return context.Cause(l.ctx)
}
