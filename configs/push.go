package configs

import (
	"net"
	"net/url"
	"strings"
	"time"
)

// Push is where [metrics] sends its series, beside who asks for them.
type Push struct {
	Graphite    string // "host:2003"; "" is nowhere
	Prefix      string // of graphite's names; "{host}" is not yet replaced
	RemoteWrite string // URL, without credentials; "" is nowhere
	Credentials string // path of the file with those of RemoteWrite; "" is none
	Interval    time.Duration
}

var pushKeys = []key[Metrics]{
	field("graphite", func(m *Metrics) *string { return &m.Push.Graphite }, hostPort),
	field("graphite_prefix", func(m *Metrics) *string { return &m.Push.Prefix }, graphitePrefix),
	field("remote_write", func(m *Metrics) *string { return &m.Push.RemoteWrite }, receiver),
	field("remote_write_credentials", func(m *Metrics) *string { return &m.Push.Credentials }, credentialsPath),
	field("interval", func(m *Metrics) *time.Duration { return &m.Push.Interval }, pushInterval),
}

// hostPort is a name or an IP address, and a port.
func hostPort(in input) (string, bool) {
	s, ok := text(in)
	if !ok || s == "" {
		return "", ok
	}
	if !isHostPort(s) {
		in.fail(`%q: want a host and a port such as "graphite.example.org:2003", or "" for none`, s)
		return "", false
	}
	return s, true
}

// isHostPort wants a name or an IP address, and a port, to connect to.
func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && host != "" && isPort(port) && clean(s)
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

// receiver is a URL that is shown to everybody who may read supd's log. No message has
// anything of it: a password may be anywhere in what is no URL.
func receiver(in input) (string, bool) {
	s, ok := text(in)
	if !ok || s == "" {
		return "", ok
	}
	if strings.Contains(s, "@") {
		in.fail(`want a URL without user and password; write them as USER:PASSWORD into a file that only root can read, and its path into remote_write_credentials (an "@" of the path is "%%40")`)
		return "", false
	}
	u, err := url.Parse(s)
	if err != nil || !clean(s) || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.Port() != "" && !isPort(u.Port()) || u.Fragment != "" {
		in.fail(`want a URL such as "https://HOST/api/v1/write", or "" for none`)
		return "", false
	}
	return s, true
}

func credentialsPath(in input) (string, bool) {
	if s, ok := text(in); !ok || s == "" {
		return "", ok
	}
	return absolute(in)
}

const shortestInterval = time.Second

func pushInterval(in input) (time.Duration, bool) {
	d, ok := duration(positive)(in)
	if ok && d < shortestInterval {
		in.fail("%q: want %s or more", in.Text, shortestInterval)
	}
	return d, ok && d >= shortestInterval
}
