package socket

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// ErrPathLost is in the error of a Repair or an Adopt that cannot put the path of
// a unix socket back, because its second name is gone too.
var ErrPathLost = errors.New("no name of the socket is left; it has to be bound anew")

// Repair undoes a damage. It does nothing if there is none any more, and leaves
// things as they are on an error; when to try again is the caller's.
//
// Unlinked: the path leads to the same socket again; no worker notices. Where
// another process listens at the path by now, that is an error. After
// ErrPathLost only a Repair as ShutDown helps.
//
// ShutDown: a new listener is bound at the same address. It gets the descriptor
// number of the old one, so that no launch under way can pick up a closed or
// foreign descriptor. Workers still hold the old listener.
func (s *Set) Repair(d Damage) error {
	old := s.Get(d.Key)
	if old == nil {
		return nil
	}
	lost := old.at.network == "unix" && !old.atPath()
	var err error
	switch {
	case d.Kind == Unlinked && lost:
		err = s.relink(old)
	case d.Kind == ShutDown && (lost || old.dead()):
		if err = s.renewKeep(); err == nil {
			err = s.rebind(d.Key, old)
		}
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: repair %s: %w", d.Key, old.at, err)
	}
	s.watcher.check()
	return nil
}

func (s *Set) relink(old *Socket) error {
	if err := old.relink(); err != nil {
		return err
	}
	return s.watcher.renewDir(path.Dir(old.at.path))
}

// relink puts the socket's kept link at its path.
func (s *Socket) relink() error {
	if s.kept == nil {
		return ErrPathLost
	}
	parent, name, err := s.makeParent()
	if err != nil {
		return err
	}
	defer parent.close()
	flags, err := clearWay(parent, name, s.at.path)
	if err != nil {
		return err
	}
	if _, _, err := s.kept.dir.lookup(s.kept.name); errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", ErrPathLost, err)
	}
	return s.kept.restore(parent, name, flags)
}

func (s *Set) rebind(key string, old *Socket) error {
	last, err := unix.FcntlInt(uintptr(old.fd), unix.F_DUPFD_CLOEXEC, 0) // or dup3 may close the last one, see CloseFd
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	defer CloseFd(last)
	fresh := &Socket{spec: old.spec, at: old.at, fd: -1}
	renewed := *old
	renewed.renewed = true
	s.replace(key, &renewed) // or the new inode at the path is reported as damage
	if err := fresh.bindAgain(s.keep, old); err != nil {
		s.replace(key, old)
		return errors.Join(err, fresh.closeFd())
	}
	err = s.watcher.remove(old)
	if e := unix.Dup3(fresh.fd, old.fd, unix.O_CLOEXEC); e != nil {
		// Impossible for two open descriptors; then the old one stays in use.
		s.replace(key, old)
		return errors.Join(err, os.NewSyscallError("dup3", e), fresh.closeFd())
	}
	err = errors.Join(err, fresh.closeFd())
	fresh.fd = old.fd
	err = errors.Join(err, s.watcher.add(fresh))
	s.replace(key, fresh)
	err = errors.Join(err, s.noteAnew(key, old, fresh))
	if old.kept != nil {
		err = errors.Join(err, old.kept.remove())
	}
	return err
}

// bindAgain binds s at the very address that old has.
func (s *Socket) bindAgain(keep *directory, old *Socket) error {
	if s.at.network == "unix" {
		return s.bindUnix(keep)
	}
	// With SO_REUSEADDR a listener that was shut down is not in the way.
	return s.rebindInet(old.bound)
}

// replace publishes a map in which key has another socket.
func (s *Set) replace(key string, sock *Socket) {
	next := maps.Clone(*s.live.Load())
	next[key] = sock
	s.live.Store(&next)
}
