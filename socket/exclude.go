package socket

import (
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"path/filepath"
	"strconv"
)

// Exclude says why two sockets cannot have these addresses at a time, whoever opens
// them; "" is that they can. Each is a Spec's Listen. It compares what is written:
// Place finds out what a path leads to.
func Exclude(one, other string) string {
	a, err := parse(one)
	b, err2 := parse(other)
	switch {
	case err != nil || err2 != nil || a.network != b.network || a.chosen() || b.chosen():
		return ""
	case a.addr == b.addr && a.path == b.path: // "*" is [::]
		return "it is the same address"
	case a.network == "unix" || a.addr.Port() != b.addr.Port():
		return ""
	}
	for _, wide := range []netip.Addr{a.addr.Addr(), b.addr.Addr()} {
		switch {
		case wide == netip.IPv6Unspecified():
			return "[::] takes all addresses, those of IPv4 too"
		case wide == netip.IPv4Unspecified() && a.addr.Addr().Is4() && b.addr.Addr().Is4():
			return "0.0.0.0 takes all addresses of IPv4"
		}
	}
	return ""
}

// Room is equal for all addresses that may exclude each other: network and port, or
// a path.
func Room(listen string) string {
	at, err := parse(listen)
	if err != nil || at.network == "unix" {
		return listen
	}
	return at.network + ":" + strconv.Itoa(int(at.addr.Port()))
}

// Place gives the address with the symbolic links followed on the way to a unix
// socket: two paths may lead to one. The last element is none of them, since a socket
// takes the place of whatever name is there. What is missing is made as it is
// written.
func Place(listen string) string {
	at, err := parse(listen)
	if err != nil || at.network != "unix" {
		return listen
	}
	return "unix:" + PlaceOf(at.path)
}

// PlaceOf is Place of the absolute path of any file that is made like a socket.
func PlaceOf(file string) string {
	dir, missing := path.Dir(file), path.Base(file)
	for {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return path.Join(real, missing)
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return file
		}
		dir, missing = path.Dir(dir), path.Join(path.Base(dir), missing)
	}
}
