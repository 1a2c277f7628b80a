package socket

import (
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// maxPath is the longest path of a unix socket in bytes: sun_path holds 108,
// one of which ends it (unix(7)).
const maxPath = 107

// endpoint is a Spec's Listen, parsed.
type endpoint struct {
	network string         // "tcp", "udp" or "unix"
	addr    netip.AddrPort // of tcp and udp
	all     bool           // HOST was "*": IPv6 and IPv4, or what this kernel has of the two
	path    string         // of unix
}

// Parse splits a Spec's Listen into the network ("tcp", "udp", "unix") and the
// address: "127.0.0.1:80", "[::]:80" (which "*" stands for, too) or a path.
func Parse(listen string) (network, address string, err error) {
	at, err := parse(listen)
	if err != nil {
		return "", "", err
	}
	return at.network, at.address(), nil
}

func (e endpoint) address() string {
	if e.network == "unix" {
		return e.path
	}
	return e.addr.String()
}

func (e endpoint) String() string { return e.network + ":" + e.address() }

func parse(listen string) (endpoint, error) {
	network, rest, _ := strings.Cut(listen, ":")
	var at endpoint
	var err error
	switch network {
	case "tcp", "udp":
		at, err = parseInet(network, rest)
	case "unix":
		at, err = endpoint{network: network, path: rest}, checkPath(rest)
	default:
		err = fmt.Errorf(`want "tcp:HOST:PORT", "udp:HOST:PORT" or "unix:/absolute/path"`)
	}
	if err != nil {
		return endpoint{}, fmt.Errorf("listen %q: %w", listen, err)
	}
	return at, nil
}

func parseInet(network, rest string) (endpoint, error) {
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 {
		return endpoint{}, fmt.Errorf(`no port; want "%s:HOST:PORT", such as "%s:127.0.0.1:8080"`, network, network)
	}
	port, err := parsePort(rest[colon+1:])
	if err != nil {
		return endpoint{}, err
	}
	host := rest[:colon]
	addr, err := parseHost(host)
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{network: network, addr: netip.AddrPortFrom(addr, port), all: host == "*"}, nil
}

func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("port %q: want a number from 0 to 65535 (0: the kernel chooses)", s)
	}
	return uint16(port), nil
}

func parseHost(host string) (netip.Addr, error) {
	switch host {
	case "*":
		return netip.IPv6Unspecified(), nil
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	inner, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(inner)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf(`host %q: want an IP address, "localhost", or "*" for all addresses; names are not looked up`, host)
	case addr.Is6() && !bracketed:
		return netip.Addr{}, fmt.Errorf("host %q: an IPv6 address goes in brackets: [%s]", host, addr)
	case addr.Is4() && host != inner:
		return netip.Addr{}, fmt.Errorf("host %q: an IPv4 address goes without brackets: %s", host, addr)
	}
	return addr.Unmap(), nil
}

func checkPath(p string) error {
	switch {
	case strings.HasPrefix(p, "@"):
		return fmt.Errorf("an abstract socket has neither owner nor mode, anybody may connect; want an absolute path")
	case !strings.HasPrefix(p, "/"):
		return fmt.Errorf(`path %q: want an absolute path, such as "unix:/run/app/web.sock"`, p)
	case strings.IndexByte(p, 0) >= 0:
		return fmt.Errorf("path %q: holds a zero byte", p)
	case path.Clean(p) != p || p == "/":
		return fmt.Errorf("path %q: want the path of a file, without empty, \".\" and \"..\" elements", p)
	case len(p) > maxPath:
		return fmt.Errorf("path of %d bytes: a unix socket's has at most %d (unix(7)); choose a shorter directory", len(p), maxPath)
	}
	return nil
}
