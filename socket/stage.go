package socket

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Names in a stage.
const (
	staged = "socket"
	mirror = "root"
)

const selfFiles = "/proc/self/fd/"

// stage is a private directory in which a unix socket is made before it is
// moved to its path.
type stage struct {
	*directory
	parent *directory
}

func newStage(parent *directory) (*stage, error) {
	d, err := parent.makePrivate()
	if err != nil {
		return nil, err
	}
	return &stage{d, parent}, nil
}

// leave removes the stage, or only what is not to stay if it keeps a link.
func (s *stage) leave(keeps bool) error {
	if keeps {
		return nil
	}
	return errors.Join(s.remove(staged, 0), s.close(), s.parent.remove(path.Base(s.path), unix.AT_REMOVEDIR))
}

// bind binds fd to the name staged in the stage.
//
// The kernel reports for ever the name that was given to bind(2) as the
// socket's, and some servers use it (gunicorn's fd:// logs it and removes it at
// the end). So the name given is the public path, on a thread whose root
// directory is a mirror of that path in the stage. Where that is not permitted
// (it takes CAP_SYS_CHROOT) the name is that in the stage.
func (s *stage) bind(fd int, public string) error {
	dirs, err := s.makeMirror(path.Dir(public))
	if err == nil {
		err = files.OnThreadOfItsOwn(func() error { return bindBelow(fd, s.fd, public) })
	}
	if err == nil {
		err = s.fail("rename", staged, unix.Renameat(s.fd, mirror+public, s.fd, staged))
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		err = errors.Join(err, s.remove(dirs[i], unix.AT_REMOVEDIR))
	}
	if errors.Is(err, unix.EPERM) {
		return s.bindHere(fd)
	}
	return err
}

func (s *stage) makeMirror(dir string) (made []string, err error) {
	name := mirror
	for _, element := range strings.Split(dir, "/") {
		name = path.Join(name, element)
		if len(made) > 0 && made[len(made)-1] == name {
			continue // of dir "/"
		}
		if err := unix.Mkdirat(s.fd, name, 0o700); err != nil {
			return made, s.fail("mkdir", name, err)
		}
		made = append(made, name)
	}
	return made, nil
}

func (s *stage) bindHere(fd int) error {
	name := path.Join(s.path, staged)
	if len(name) > maxPath {
		// The private directory's name is what made it too long.
		name = fmt.Sprintf("%s%d/%s", selfFiles, s.fd, staged)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: name}))
}

// bindBelow binds fd to name, with the mirror in the directory dir as the
// thread's root. EPERM says that this process may not do so.
func bindBelow(fd, dir int, name string) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Fchdir(dir); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.Chroot(mirror); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: name}))
}
