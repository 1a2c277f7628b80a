package configs

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readyKinds exclude each other.
var readyKinds = []string{"notify", "http", "tcp", "log", "exec", "uptime"}

var readyKeys = []key[Ready]{
	{name: "notify", read: func(in input, r *Ready) { r.Notify = onlyTrue(in) }},
	field("http", func(r *Ready) *string { return &r.HTTP }, httpProbe),
	{name: "tcp", read: readTCP},
	field("log", func(r *Ready) *string { return &r.Log }, regular),
	field("exec", func(r *Ready) *[]string { return &r.Exec }, command),
	field("uptime", func(r *Ready) *time.Duration { return &r.Uptime }, duration(positive)),
	field("socket", func(r *Ready) *string { return &r.Socket }, filled),
	field("timeout", func(r *Ready) *time.Duration { return &r.Timeout }, duration(positive)),
}

// onlyTrue is for keys that choose something by being there.
func onlyTrue(in input) bool {
	on, ok := boolean(in)
	if ok && !on {
		in.fail("false chooses nothing; remove it")
	}
	return on
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
	if clean(s) && strings.HasPrefix(s, "/") {
		return s, true
	}
	u, err := url.Parse(s)
	if err != nil || !clean(s) || u.Scheme != "http" || u.User != nil || u.Fragment != "" || !isAddress(u.Host, true) {
		in.fail(`%q: want a path such as "/healthz", or "http://ADDRESS:PORT/healthz" with an IP address`, s)
		return "", false
	}
	return s, true
}

// clean tells whether s can stand in a request line.
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
	n, bad := strconv.ParseUint(port, 10, 16)
	return (err == nil || host == "localhost") && bad == nil && n > 0
}

func readTCP(in input, r *Ready) {
	if in.Kind == aBool {
		if onlyTrue(in) {
			r.TCP = "probe"
		}
		return
	}
	if in.Kind != aString {
		in.fail(`want true for the worker's own socket, or "ADDRESS:PORT", got %s`, in.Kind)
		return
	}
	s, ok := in.static(in.Text)
	switch {
	case !ok:
	case !isAddress(s, false):
		in.fail(`%q: want true for the worker's own socket, or "ADDRESS:PORT" with an IP address`, s)
	default:
		r.TCP = s
	}
}

func regular(in input) (string, bool) {
	s, ok := filled(in)
	if !ok {
		return "", false
	}
	if _, err := regexp.Compile(s); err != nil {
		in.fail("%s (RE2 syntax)", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return "", false
	}
	return s, true
}

func checkReady(in input, app *App, p *Process) {
	ready := in.at("ready")
	var kinds []string
	for _, kind := range readyKinds {
		if ready.Table[kind] != nil {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) > 1 {
		ready.fail("%s exclude each other; choose one", strings.Join(kinds, " and "))
		return
	}
	if p.Ready.Uptime >= p.Ready.Timeout && p.Ready.Timeout > 0 {
		ready.written("uptime", "timeout").fail("uptime %s is not reached within timeout %s; set a longer timeout", p.Ready.Uptime, p.Ready.Timeout)
	}
	checkAsked(ready, app, p)
}

// checkAsked looks at which socket the question goes through.
func checkAsked(ready input, app *App, p *Process) {
	r := p.Ready
	byPath := strings.HasPrefix(r.HTTP, "/") || r.TCP == "probe"
	streams := slices.DeleteFunc(slices.Clone(p.Sockets), func(name string) bool { return app.isDatagram(name) })
	switch {
	case r.Socket != "" && !byPath:
		ready.at("socket").fail(`belongs to http = "/path" or tcp = true; remove it`)
	case r.Socket != "" && !slices.Contains(p.Sockets, r.Socket):
		ready.at("socket").fail("%q is not among the sockets of this process%s", r.Socket, suggest(r.Socket, p.Sockets))
	case r.Socket != "" && app.isDatagram(r.Socket):
		ready.at("socket").fail("%q is a udp socket, which nothing connects to", r.Socket)
	case byPath && len(streams) == 0 && p.Sockets != nil:
		ready.written("http", "tcp").fail("asks through a socket that the worker inherits, but sockets names none that connections come in on; name one, or give the address that the program binds itself")
	}
}
