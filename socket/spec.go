package socket

import (
	"errors"
	"fmt"
	"io/fs"

	"supd/privdrop/files"
)

// Defaults of a Spec's zero values.
const (
	DefaultBacklog             = 2048
	DefaultMode    fs.FileMode = 0o660
)

// Spec is a listening socket as a configuration states it.
type Spec struct {
	Name string
	// Listen is "tcp:HOST:PORT", "udp:HOST:PORT" (HOST an address, IPv6 in
	// brackets; "[::]" takes IPv4 too) or "unix:/absolute/path".
	Listen string
	// Owner and Mode are a unix socket's, exact from the first instant. Mode 0 is
	// DefaultMode.
	Owner Owner
	Mode  fs.FileMode
	// As is with whose rights a unix socket's directory is reached and made below the
	// first one that others than root may write in; nil: that is refused (files.Way).
	As      *files.Account
	Backlog int // listen(2), 0 is DefaultBacklog; clamped by net.core.somaxconn
}

// Validate says everything that is wrong with the spec as it is written. It
// does not ask the kernel.
func (s Spec) Validate() error {
	at, err := parse(s.Listen)
	if err != nil {
		return err
	}
	var errs []error
	if at.network != "unix" && (s.Owner != (Owner{}) || s.Mode != 0) {
		errs = append(errs, fmt.Errorf("%s: user, group and mode belong to a unix socket; a %s socket has none", s.Listen, at.network))
	}
	if s.Mode&^fs.ModePerm != 0 {
		errs = append(errs, fmt.Errorf("%s: mode %#o: want permission bits only, such as 0660", s.Listen, uint32(s.Mode)))
	}
	if s.Backlog < 0 {
		errs = append(errs, fmt.Errorf("%s: backlog %d: want 1 or more, or 0 for %d", s.Listen, s.Backlog, DefaultBacklog))
	}
	return errors.Join(errs...)
}

// Chosen reports whether the kernel chooses the port.
func (s Spec) Chosen() bool {
	at, err := parse(s.Listen)
	return err == nil && at.chosen()
}

// sameSocket reports whether two specs say the same of the socket itself.
func (s Spec) sameSocket(other Spec) bool {
	s.As, other.As = nil, nil
	return s == other
}

// way is how the directory of a unix socket is reached. Whose that is itself does not
// matter: all is made in a private one in it (stage).
func (s Spec) way() files.Way { return files.Way{As: s.As, GID: -1, Any: true} }

func (s Spec) mode() fs.FileMode {
	if s.Mode == 0 {
		return DefaultMode
	}
	return s.Mode
}
