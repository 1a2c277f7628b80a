package socket

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// changed returns the same socket with another spec, which takes effect.
func (s *Socket) changed(spec Spec) (*Socket, error) {
	sock := *s
	sock.spec = spec
	if spec.sameSocket(s.spec) {
		return &sock, nil
	}
	if err := sock.impose(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", spec.Listen, err), s.impose())
	}
	return &sock, nil
}

// impose gives an open socket the owner, mode and backlog of its spec. It goes
// by the kept link: the path may lead elsewhere by now.
func (s *Socket) impose() error {
	if s.kept != nil {
		if err := narrow(s.kept, s.spec.mode()); err != nil {
			return err
		}
		if err := setOwner(s.kept.dir, s.kept.name, s.spec.Owner.definite(), s.spec.mode()); err != nil {
			return err
		}
	}
	if s.dead() {
		return nil // listen(2) would fail; Repair makes a new one
	}
	return s.Relisten()
}

// narrow takes away the permissions that mode does not give, before the owner
// changes: no group may have, even shortly, what only the last one had.
func narrow(l *link, mode fs.FileMode) error {
	var st unix.Stat_t
	if err := unix.Fstatat(l.dir.fd, l.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return l.dir.fail("stat", l.name, err)
	}
	return l.dir.fail("chmod", l.name, files.ChmodAt(l.dir.fd, l.name, unix.S_IFSOCK, st.Mode&uint32(mode)))
}
