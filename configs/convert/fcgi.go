package convert

import (
	"regexp"
	"strings"
)

var tcpSocket = regexp.MustCompile(`^tcp://([^\s:]+):(\d+)$`)

// sockets gives a [fcgi-program:x] its socket, which it has as standard input.
func (p *program) sockets(a *app, d *process) {
	if !strings.HasPrefix(p.section.name, "fcgi-program:") {
		return
	}
	value, o := p.get("socket")
	if o == nil {
		if !p.missing {
			p.errors.add(p.section.place, "[%s] has no socket", p.section.name)
		}
		return
	}
	l := listener{name: a.socketName(p.name)}
	path, unix := strings.CutPrefix(value, "unix://")
	tcp := tcpSocket.FindStringSubmatch(value)
	switch {
	case unix && strings.HasPrefix(path, "/"):
		l.keys = append(l.keys, pair{"listen", quote("unix:" + literal(path))})
		l.keys = append(l.keys, p.socketOwner(d)...)
	case tcp != nil:
		l.keys = append(l.keys, pair{"listen", quote("tcp:" + tcp[1] + ":" + tcp[2])})
	default:
		p.errors.add(o.place, "socket: %q is neither unix:///PATH nor tcp://HOST:PORT", value)
		return
	}
	if backlog := p.integer("socket_backlog", 0); backlog > 0 {
		l.keys = append(l.keys, pair{"backlog", itoa(backlog)})
	}
	a.sockets = append(a.sockets, l)
	d.set("sockets", list([]string{l.name}))
	p.differs(o, "the socket stays open while the program is stopped, and a shell makes it the standard input")
}

func (p *program) socketOwner(d *process) []pair {
	owner, o := p.get("socket_owner")
	user, group, both := strings.Cut(owner, ":")
	if o == nil && !isRoot(d.user) {
		user = d.user
	}
	keys := []pair{{"user", quoteSet(user)}}
	if both {
		keys = append(keys, pair{"group", quote(group)})
	}
	mode, o := p.get("socket_mode")
	if o == nil {
		mode = "0700"
	}
	return append(keys, pair{"mode", quote("0000"[:max(0, 4-len(mode))] + mode)})
}

// asInput has a command take the first socket as its standard input.
func asInput(argv []string) []string {
	return append([]string{"/bin/sh", "-c", `exec "$0" "$@" <&3`}, argv...)
}

func (a *app) socketName(name string) string {
	return unused(nameOf(name), func(name string) bool {
		for _, s := range a.sockets {
			if s.name == name {
				return true
			}
		}
		return name == "probe"
	})
}
