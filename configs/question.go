package configs

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// questionKeys are the keys of a Question, wherever a T has them.
func questionKeys[T any](http, tcp func(*T) *string, exec func(*T) *[]string, socket, file func(*T) *string, maxAge func(*T) *time.Duration) []key[T] {
	return []key[T]{
		field("http", http, httpProbe),
		field("tcp", tcp, tcpProbe),
		field("exec", exec, command),
		field("socket", socket, filled),
		field("file", file, aliveFile),
		field("max_age", maxAge, duration(positive)),
	}
}

// httpProbe reads a path, or the URL of a program that binds its address itself.
func httpProbe(in input) (string, bool) {
	s, ok := filled(in)
	if !ok {
		return "", false
	}
	if s, ok = in.static(s); !ok {
		return "", false
	}
	if isPath(s) {
		return s, true
	}
	u, err := url.Parse(s)
	if err != nil || !clean(s) || u.Scheme != "http" || u.User != nil || u.Fragment != "" || !isAddress(u.Host, true) {
		in.fail(`%q: want a path such as "/healthz", or "http://ADDRESS:PORT/healthz" with an IP address`, s)
		return "", false
	}
	return s, true
}

// aliveFile reads the path of a file that each worker modifies; its variables are
// expanded at the launch.
func aliveFile(in input) (string, bool) {
	s, ok := filled(in)
	if ok && s[0] != '/' && s[0] != '{' {
		in.fail(`%q: want an absolute path, such as "{env.XDG_RUNTIME_DIR}/alive" in the worker's own directory`, s)
		return "", false
	}
	return s, ok
}

// isPath reports whether s is a path to be asked for.
func isPath(s string) bool { return clean(s) && strings.HasPrefix(s, "/") }

// clean reports whether s can stand in a request line.
func clean(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f })
}

// isAddress wants an IP address or localhost, and a port from 1 on.
func isAddress(s string, portless bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil && portless {
		host, port = strings.Trim(s, "[]"), "80"
	} else if err != nil {
		return false
	}
	_, err = netip.ParseAddr(host)
	return (err == nil || host == "localhost") && isPort(port)
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// tcpProbe reads an address; true stands for the worker's own socket.
func tcpProbe(in input) (string, bool) {
	if in.Kind == aBool {
		return "probe", onlyTrue(in)
	}
	if in.Kind != aString {
		in.fail(`want true for the worker's own socket, or "ADDRESS:PORT", got %s`, in.Kind)
		return "", false
	}
	s, ok := in.static(in.Text)
	if ok && !isAddress(s, false) {
		in.fail(`%q: want true for the worker's own socket, or "ADDRESS:PORT" with an IP address`, s)
		return "", false
	}
	return s, ok
}

// kinds gives those that are in the table.
func (in input) kinds(known []string) []string {
	return slices.DeleteFunc(slices.Clone(known), func(kind string) bool { return in.Table[kind] == nil })
}

// exclude reports more than one kind, and reports whether there are more.
func exclude(in input, kinds []string) bool {
	if len(kinds) > 1 {
		in.fail("%s exclude each other; choose one", strings.Join(kinds, " and "))
	}
	return len(kinds) > 1
}

// checkQuestion looks at which socket the question of a table goes through.
func checkQuestion(in input, q Question, app *App, p *Process) {
	if q.File == "" && in.statesHere("max_age") {
		in.at("max_age").fail("belongs to file; remove it")
	}
	switch {
	case q.Socket != "" && !q.inherited():
		in.at("socket").fail(`belongs to http = "/path" or tcp = true; remove it`)
	case q.Socket != "" && !slices.Contains(p.Sockets, q.Socket):
		in.at("socket").fail("%q is not among the sockets of this process%s", q.Socket, suggest(q.Socket, p.Sockets))
	case q.Socket != "" && app.isDatagram(q.Socket):
		in.at("socket").fail("%q is a udp socket, which nothing connects to", q.Socket)
	case q.inherited() && len(app.streams(p)) == 0 && p.Sockets != nil:
		in.written("http", "tcp").fail("asks through a socket that the worker inherits, but sockets names none that connections come in on; name one, or give the address that the program binds itself")
	}
}
