package convert

import (
	"slices"
	"strings"
)

// listen gives a service the sockets of its .socket units.
func (s *service) listen(a *app) {
	var names []string
	for _, u := range s.sockets {
		type listen struct {
			setting
			key string
		}
		var lines []listen
		for _, key := range []string{"ListenStream", "ListenDatagram"} {
			for _, line := range u.all("Socket." + key) {
				lines = append(lines, listen{line, key})
			}
		}
		slices.SortFunc(lines, func(a, b listen) int { return a.n - b.n })
		for _, line := range lines {
			if name, ok := s.socket(a, u, line.key, line.setting); ok {
				names = append(names, name)
			}
		}
		if _, named := u.last("Socket.FileDescriptorName"); named || len(lines) > 1 {
			s.note(Different, place{}, "LISTEN_FDNAMES has the names of [socket.NAME], which are of lower case letters and each its own; a program that goes by systemd's wants them in its configuration")
		}
		s.socketRest(u)
	}
	if len(names) > 0 {
		s.d.set("sockets", list(names))
		s.note(Different, place{}, "it is started at once, and not by the first connection")
	}
}

func (s *service) socket(a *app, u *unit, key string, line setting) (string, bool) {
	address, ok := s.address(key, line)
	if !ok {
		return "", false
	}
	named := stem(u.source)
	if v, set := u.last("Socket.FileDescriptorName"); set {
		named = s.specifiers(v.place, v.value, false)
	}
	l := listener{name: a.socketName(strings.TrimSuffix(named, "@"))}
	l.keys = append(l.keys, pair{"listen", quote(literal(address))})
	if strings.HasPrefix(address, "unix:/") {
		mode := "0666" // systemd's default
		for _, one := range []struct{ theirs, ours string }{{"SocketUser", "user"}, {"SocketGroup", "group"}} {
			if v, set := u.last("Socket." + one.theirs); set {
				l.keys = append(l.keys, pair{one.ours, quote(v.value)})
			}
		}
		if v, set := u.last("Socket.SocketMode"); set {
			mode = v.value
		}
		l.keys = append(l.keys, pair{"mode", quote("0000"[:max(0, 4-len(mode))] + mode)})
	}
	if v, set := u.last("Socket.Backlog"); set {
		if n, ok := integer(v.value); ok && n > 0 {
			l.keys = append(l.keys, pair{"backlog", itoa(n)})
		}
	}
	a.sockets = append(a.sockets, l)
	return l.name, true
}

// address gives what listen has for one of systemd's.
func (s *service) address(key string, line setting) (string, bool) {
	value := s.specifiers(line.place, line.value, false)
	kind := "tcp:"
	if key == "ListenDatagram" {
		kind = "udp:"
	}
	switch {
	case strings.HasPrefix(value, "@"):
		s.unable(line.place, "%s=%s: an abstract socket has neither owner nor mode; listen on a path", key, printable(value))
		return "", false
	case strings.HasPrefix(value, "/"):
		if kind == "udp:" {
			s.unable(line.place, "ListenDatagram with a path: a unix socket has connections here")
			return "", false
		}
		return "unix:" + value, true
	case strings.Trim(value, "0123456789") == "":
		return kind + "*:" + value, true // of all addresses
	case strings.Contains(value, ":"):
		return kind + value, true
	}
	s.unable(line.place, "%s=%s has no counterpart", key, printable(value))
	return "", false
}

var socketSettings = []string{"ListenStream", "ListenDatagram", "SocketUser", "SocketGroup", "SocketMode", "Backlog", "FileDescriptorName", "Service", "Accept", "RemoveOnStop", "NoDelay", "KeepAlive", "DirectoryMode"}

func (s *service) socketRest(u *unit) {
	if v, set := u.last("Socket.Accept"); set && yes(v.value) {
		s.unable(v.place, "Accept=yes starts a process for each connection, which supd does not")
	}
	for _, key := range u.order {
		name, is := strings.CutPrefix(key, "Socket.")
		v, set := u.last(key)
		switch {
		case !is || !set || slices.Contains(socketSettings, name):
		case strings.HasPrefix(name, "Listen"):
			s.unable(v.place, "%s has no counterpart", name)
		default:
			s.note(Dropped, v.place, "%s of the socket has no counterpart", name)
		}
	}
}
