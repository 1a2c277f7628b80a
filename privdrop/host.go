package privdrop

import (
	"math/bits"

	"golang.org/x/sys/unix"

	"supd/privdrop/nofile"
)

// host is what a plan has to know of the process that it starts from.
type host struct {
	uid, gid   int
	effective  uint64 // capability sets, a bit each
	permitted  uint64
	lastCap    int // of this kernel
	securebits int
	nofile     *Limit // as the process was started with; nil where it still is
	pid        string // what /proc/self is
}

func thisProcess() host {
	h := host{uid: unix.Geteuid(), gid: unix.Getegid(), lastCap: lastCap(), nofile: firstNofile()}
	h.effective, h.permitted = capabilitySets()
	h.securebits, _ = unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	h.pid = procSelf()
	return h
}

func (h host) has(capability int) bool { return h.effective&(1<<capability) != 0 }

// canSwitch tells whether the kernel lets this process take any uid, gid and
// groups.
func (h host) canSwitch() bool { return h.has(unix.CAP_SETUID) && h.has(unix.CAP_SETGID) }

func capabilitySets() (effective, permitted uint64) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return 0, 0
	}
	wide := func(low, high uint32) uint64 { return uint64(low) | uint64(high)<<32 }
	return wide(data[0].Effective, data[1].Effective), wide(data[0].Permitted, data[1].Permitted)
}

// lastCap asks for the number of capabilities where /proc need not be mounted.
// The bounding set knows exactly those that the kernel does.
func lastCap() int {
	low, high := 0, bits.UintSize
	for high-low > 1 {
		middle := (low + high) / 2
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(middle), 0, 0, 0); err == nil {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// firstNofile is the limit that the Go runtime has raised for itself, to one
// below the hard limit.
func firstNofile() *Limit {
	var now unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &now) != nil || now.Cur != now.Max-1 {
		return nil
	}
	soft, hard := nofile.AtStart()
	if hard != now.Max {
		return nil // somebody has set it since
	}
	return &Limit{Soft: soft, Hard: hard}
}

func procSelf() string {
	buf := make([]byte, 20)
	n, err := unix.Readlink("/proc/self", buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}
