package privdrop

import (
	"bytes"
	"sync"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
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
	keyrings   bool   // keyctl(2) is there

	// What fork hands on, as far as the plan goes by it.
	nice        int            // 0 with CAP_SYS_NICE
	hardLimits  map[int]uint64 // of the resources in unnamed; nil with CAP_SYS_RESOURCE
	noHugePages bool           // PR_SET_THP_DISABLE
	mergesPages bool           // PR_SET_MEMORY_MERGE
	dumpings    string         // coredump_filter
	machine     *machine       // nil is the kernel's defaults
}

func thisProcess() host {
	h := host{uid: unix.Geteuid(), gid: unix.Getegid(), lastCap: lastCap(), nofile: firstNofile()}
	h.effective, h.permitted = capabilitySets()
	h.securebits, _ = unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	h.pid = procSelf()
	h.keyrings = hasKeyrings()
	h.readInherited()
	return h
}

func (h *host) readInherited() {
	h.machine = thisMachine()
	if value, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && !h.has(unix.CAP_SYS_NICE) {
		h.nice = 20 - value // as the system call returns it (getpriority(2), "C library/kernel differences")
	}
	if !h.has(unix.CAP_SYS_RESOURCE) {
		h.hardLimits = hardLimits()
	}
	h.noHugePages = isSet(unix.PR_GET_THP_DISABLE)
	h.mergesPages = isSet(unix.PR_GET_MEMORY_MERGE) // Linux 6.4
	h.dumpings = ownDumpings()
}

// ownDumpings is read once: it costs as much as all the rest.
var ownDumpings = sync.OnceValue(func() string { return readFilter("self") })

func readFilter(pid string) string {
	filter, err := files.Read("/proc/" + pid + "/coredump_filter")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(filter))
}

func hardLimits() map[int]uint64 {
	all := map[int]uint64{}
	for _, r := range unnamed {
		var have unix.Rlimit
		if unix.Getrlimit(r.number, &have) == nil {
			all[r.number] = have.Max
		}
	}
	return all
}

func isSet(option int) bool {
	value, err := unix.PrctlRetInt(option, 0, 0, 0, 0)
	return err == nil && value > 0
}

func (h host) usual() *machine {
	if h.machine != nil {
		return h.machine
	}
	return kernelDefaults()
}

func (h host) has(capability int) bool { return h.effective&(1<<capability) != 0 }

// canSwitch reports whether the kernel lets this process take any uid, gid and
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

// mostCapabilities is how many fit into a set.
const mostCapabilities = 64

// lastCap asks for the number of capabilities where /proc need not be mounted, once.
// The bounding set knows exactly those that the kernel does.
var lastCap = sync.OnceValue(func() int {
	low, high := 0, mostCapabilities
	for high-low > 1 {
		middle := (low + high) / 2
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(middle), 0, 0, 0); err == nil {
			low = middle
		} else {
			high = middle
		}
	}
	return low
})

func procSelf() string {
	buf := make([]byte, 20)
	n, err := unix.Readlink("/proc/self", buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}
