package configs

import (
	"cmp"
	"fmt"
	"slices"

	"supd/socket"
)

// listener is what binds an address.
type listener struct {
	name   string // "socket web of app whois", "metrics.listen"
	listen string // as in socket.Spec
	at     Place
}

// listeners are supd's own, and those of all apps in the order of files and lines.
// That the metrics have no address where nobody has given them one is no error.
func (c *Config) listeners() []listener {
	var all []listener
	if c.Control.Socket != "" {
		all = append(all, listener{"control.socket", "unix:" + c.Control.Socket, c.place("control.socket")})
	}
	if spec, on := c.Metrics.Spec(); on && c.Metrics.Stated {
		all = append(all, listener{"metrics.listen", spec.Listen, c.place("metrics.listen")})
	}
	first := len(all)
	for i := range c.Apps {
		a := &c.Apps[i]
		for _, s := range a.Sockets {
			all = append(all, listener{fmt.Sprintf("socket %s of app %s", s.Name, a.Name), s.Listen, a.place("", dotted("socket", s.Name)+".listen")})
		}
	}
	slices.SortStableFunc(all[first:], func(a, b listener) int {
		return cmp.Or(cmp.Compare(a.at.File, b.at.File), cmp.Compare(a.at.Line, b.at.Line))
	})
	return all
}

// distinguish reports two that cannot have their addresses at a time, at the second of
// them. An address that where does not change has been compared before.
func distinguish(all []listener, where func(string) string, changed bool, to func(Place) *report) {
	rooms := map[string][]listener{} // only those in one room may exclude each other
	for _, l := range all {
		if l.listen == "" {
			continue
		}
		at := where(l.listen)
		room := socket.Room(at)
		for _, other := range rooms[room] {
			there := where(other.listen)
			if changed && at == l.listen && there == other.listen {
				continue
			}
			why := socket.Exclude(at, there)
			switch {
			case why == "":
				continue
			case l.listen == other.listen:
				to(l.at).add(l.at, "%s is already the address of %s; choose another one", l.listen, other.name)
			case changed:
				to(l.at).add(l.at, "%s and %s, the address of %s, are the same path (%s) by two names; choose another one", l.listen, other.listen, other.name, at)
			default:
				to(l.at).add(l.at, "%s cannot be had together with %s, the address of %s: %s; choose another one, or share one socket", l.listen, other.listen, other.name, why)
			}
			break
		}
		rooms[room] = append(rooms[room], l)
	}
}

func asWritten(listen string) string { return listen }

// checkAddresses wants each address once, by what is written.
func (l *loader) checkAddresses() {
	distinguish(l.config.listeners(), asWritten, false, func(at Place) *report { return cmp.Or(l.wrong[at.File], l.scope.report) })
}

// paths wants each path of a unix socket once, by what it leads to.
func (v *verification) paths() {
	distinguish(v.config.listeners(), v.led(socket.Place), true, func(Place) *report { return &v.report })
}

// metricsTrap finds an app that takes the address which the metrics have by default:
// supd would go on without them.
func (c *Config) metricsTrap() []Error {
	spec, on := c.Metrics.Spec()
	if !on || c.Metrics.Stated {
		return nil
	}
	r := report{home: c.home}
	for _, l := range c.listeners() {
		if l.listen != "" && socket.Exclude(l.listen, spec.Listen) != "" {
			r.add(l.at, "takes the address of supd's metrics, %s, so that there are none; set metrics.listen in supd.toml, which may be \"\"", c.Metrics.Listen)
		}
	}
	return r.sorted()
}
