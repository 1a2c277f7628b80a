package configs

import (
	"net"
	"strings"
	"time"
)

// Push is where [metrics] sends its series, beside who asks for them.
type Push struct {
	Graphite string // "host:2003"; "" is nowhere
	Prefix   string // of graphite's names; "{host}" is not yet replaced
	Interval time.Duration
}

var pushKeys = []key[Metrics]{
	field("graphite", func(m *Metrics) *string { return &m.Push.Graphite }, hostPort),
	field("graphite_prefix", func(m *Metrics) *string { return &m.Push.Prefix }, graphitePrefix),
	field("interval", func(m *Metrics) *time.Duration { return &m.Push.Interval }, pushInterval),
}

// hostPort is a name or an IP address, and a port.
func hostPort(in input) (string, bool) {
	s, ok := text(in)
	if !ok || s == "" {
		return "", ok
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || !isPort(port) || !clean(s) {
		in.fail(`%q: want a host and a port such as "graphite.example.org:2003", or "" for none`, s)
		return "", false
	}
	return s, true
}

// graphitePrefix is nodes with dots between them.
func graphitePrefix(in input) (string, bool) {
	s, ok := text(in)
	if !ok || s == "" {
		return "", ok
	}
	for node := range strings.SplitSeq(strings.ReplaceAll(s, "{host}", "h"), ".") {
		if node == "" || strings.ContainsFunc(node, isNoGraphite) {
			in.fail(`%q: want letters, digits, "_", "-" and {host}, with dots between them, such as "supd.{host}", or "" for none`, s)
			return "", false
		}
	}
	return s, true
}

func isNoGraphite(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
}

const shortestInterval = time.Second

func pushInterval(in input) (time.Duration, bool) {
	d, ok := duration(positive)(in)
	if ok && d < shortestInterval {
		in.fail("%q: want %s or more", in.Text, shortestInterval)
	}
	return d, ok && d >= shortestInterval
}
