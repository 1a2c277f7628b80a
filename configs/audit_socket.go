package configs

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// daemon looks at supd's own sockets.
func (a *audit) daemon() {
	c := a.config
	if c.Control.Mode&0o002 != 0 {
		a.add(c.place("control.mode"), "%04o lets every user of this machine ask what runs; write 0660, and in group those who may", c.Control.Mode)
	}
	if spec, on := c.Metrics.Spec(); on && isOpen(spec.Listen) {
		a.add(c.place("metrics.listen"), "%s is open to the network, and has no password; write an address of this machine, or unix:", c.Metrics.Listen)
	}
	a.keep("")
}

// sockets looks at who can connect.
func (a *audit) sockets() {
	for _, s := range a.app.Sockets {
		at := func(key string) Place { return a.app.place("", dotted("socket", s.Name)+"."+key) }
		switch {
		case strings.HasPrefix(s.Listen, "unix:"):
			if s.Mode&0o002 != 0 {
				a.add(at("mode"), `%04o lets every user of this machine connect; write 0660, and in group who may`, uint32(s.Mode))
			}
		case !strings.HasPrefix(s.Listen, "tcp:"):
		case !isOpen(s.Listen):
			a.add(at("listen"), "every user of this machine can connect to %s; a unix: socket has an owner and a mode", s.Listen)
		default:
			if server := a.serverAt(s.Name); server != "" {
				a.add(at("listen"), "%s is open to the network, and %s is to be behind a proxy; where that is on this machine, a unix: socket does", s.Listen, server)
			}
		}
	}
}

// serverAt is the program that serves a socket, if it is known to serve requests, and is no
// proxy itself.
func (a *audit) serverAt(socket string) string {
	for i := range a.app.Processes {
		p := &a.app.Processes[i]
		s := newTrap(a.config, a.app, p, a.paths).server
		if slices.Contains(p.Sockets, socket) && s != nil && s.Work == "requests" && s.Name != "nginx" {
			return s.Title
		}
	}
	return ""
}

// isOpen reports whether the address is not of this machine alone.
func isOpen(listen string) bool {
	address, tcp := strings.CutPrefix(listen, "tcp:")
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return tcp && host != "localhost" && (err != nil || !ip.IsLoopback())
}
