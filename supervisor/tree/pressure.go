package tree

import (
	"bytes"
	"math"
	"path/filepath"
	"strconv"
	"time"

	"supd/privdrop/files"
)

// Spent is what a cgroup v2 says of its processes and of those beneath it, living and
// dead. Unknown is what this kernel, or the controllers of the cgroup, do not tell.
type Spent struct {
	CPUWaiting, MemoryWaiting, IOWaiting time.Duration // in which some process has waited (PSI; Linux 5.2, for each cgroup)
	Throttled                            time.Duration
	OOMKills                             int64
	Peak                                 int64 // of memory, in bytes (Linux 5.19)
	Limit                                int64 // of memory, in bytes; Unknown where there is none
}

// Unknown is no figure: each of them is 0 or more.
const Unknown = math.MinInt64

// ReadSpent reads the files of a cgroup (the kernel's cgroup-v2.rst and psi.rst). Those
// of memory, and of throttling, are there where the controller is enabled in its
// parent; those of pressure, everywhere.
func ReadSpent(cgroup string) Spent {
	file := func(name, key string) int64 { return numberIn(filepath.Join(cgroup, name), key) }
	micros := func(name, key string) time.Duration {
		if n := file(name, key); n != Unknown {
			return time.Duration(n) * time.Microsecond
		}
		return Unknown
	}
	return Spent{
		CPUWaiting: micros("cpu.pressure", "total="), MemoryWaiting: micros("memory.pressure", "total="), IOWaiting: micros("io.pressure", "total="),
		Throttled: micros("cpu.stat", "throttled_usec "), OOMKills: file("memory.events", "oom_kill "),
		Peak: file("memory.peak", ""), Limit: file("memory.max", ""),
	}
}

// numberIn finds the number behind the first key in a file. A file of pressure has the
// line "some" first.
func numberIn(path, key string) int64 {
	text, err := files.Read(path)
	if err != nil {
		return Unknown
	}
	_, rest, found := bytes.Cut(text, []byte(key))
	end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if !found || err != nil { // "max"
		return Unknown
	}
	return n
}
