package configs

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"supd/socket"
)

// Socket is one [socket.NAME]: what socket.Spec says, but its owner, if it has
// one, by name or number. Resolve finds that.
type Socket struct {
	socket.Spec
	User        string // of a unix socket; "" keeps supd's own
	Group       string // "" is the primary group of User, or supd's own
	WhenStopped WhenStopped
}

// WhenStopped is what becomes of connections that come in while no worker is desired that
// has the socket.
type WhenStopped string

const (
	QueueWhenStopped  WhenStopped = "queue"  // they wait; "" is the same
	RefuseWhenStopped WhenStopped = "refuse" // the socket is closed meanwhile
)

// Closes reports whether the socket is closed while nobody is to serve it.
func (s Socket) Closes() bool { return s.WhenStopped == RefuseWhenStopped }

// Validate says everything that is wrong with the socket as it is written. It
// asks neither the kernel nor the user database.
func (s Socket) Validate() error {
	if s.User != "" || s.Group != "" {
		s.Owner = socket.OwnedBy(0, 0) // whoever that is: the question is whether there may be one
	}
	return s.Spec.Validate()
}

// Resolve gives what is to be opened. It asks the user database, and may wait for
// a directory service.
func (s Socket) Resolve() (socket.Spec, error) {
	uid, gid, err := lookupOwner(s.User, s.Group)
	if err != nil {
		return socket.Spec{}, err
	}
	s.Owner = socket.OwnedBy(uid, gid)
	return s.Spec, nil
}

// OwnerKey is the key that Resolve fails by.
func (s Socket) OwnerKey() string {
	if s.User == "" {
		return dotted("socket", s.Name) + ".group"
	}
	return dotted("socket", s.Name) + ".user"
}

var socketKeys = []key[Socket]{
	field("listen", func(s *Socket) *string { return &s.Listen }, listen),
	field("user", func(s *Socket) *string { return &s.User }, filled),
	field("group", func(s *Socket) *string { return &s.Group }, filled),
	field("mode", func(s *Socket) *fs.FileMode { return &s.Mode }, fileMode),
	field("backlog", func(s *Socket) *int { return &s.Backlog }, count(1)),
	field("when_stopped", func(s *Socket) *WhenStopped { return &s.WhenStopped }, one(QueueWhenStopped, RefuseWhenStopped)),
}

func fileMode(in input) (fs.FileMode, bool) {
	m, ok := mode(in)
	return fs.FileMode(m), ok
}

// listen reads an address; socket.Spec knows whether it is right.
func listen(in input) (string, bool) {
	s, ok := filled(in)
	if !ok {
		return "", false
	}
	if s, ok = in.static(s); !ok {
		return "", false
	}
	path, unix := strings.CutPrefix(s, "unix:")
	if unix && path != "" && path[0] != '/' && path[0] != '@' {
		s = "unix:" + filepath.Join(filepath.Dir(in.Place.File), path)
	}
	return s, true
}

func readSockets(in input, a *App) {
	if !in.is(aTable) {
		return
	}
	for _, name := range sortedKeys(in.Table) {
		child := input{in.Table[name], in.scope}
		s := Socket{Spec: socket.Spec{Name: name}}
		child.checkName(name)
		if name == "probe" {
			child.fail("the name belongs to the socket that each worker is probed on; choose another")
		}
		readTable(child, socketKeys, &s)
		child.checkListen(s)
		a.Sockets = append(a.Sockets, s)
	}
}

func (in input) checkListen(s Socket) {
	if in.Kind == aTable && in.Table["listen"] == nil {
		in.fail("has no listen")
	}
	if s.Listen == "" {
		return
	}
	err := s.Validate()
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			in.at("listen").fail("%s", err)
		}
	} else if err != nil {
		in.at("listen").fail("%s", strings.TrimPrefix(err.Error(), "listen "))
	} else if s.Closes() && s.Chosen() {
		in.at("when_stopped").fail("%q and port 0: the kernel would choose another port after each stop; give listen a port", s.WhenStopped)
	}
}

func (a *App) socketNames() []string {
	all := make([]string, len(a.Sockets))
	for i, s := range a.Sockets {
		all[i] = s.Name
	}
	return all
}

func (a *App) isDatagram(name string) bool {
	return slices.ContainsFunc(a.Sockets, func(s Socket) bool {
		return s.Name == name && strings.HasPrefix(s.Listen, "udp:")
	})
}

// streams are the sockets of a process that connections come in on.
func (a *App) streams(p *Process) []string {
	return slices.DeleteFunc(slices.Clone(p.Sockets), a.isDatagram)
}
