package privdrop

import (
	"bytes"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// machine is what a process of this machine has when nobody has set anything: what
// PID 1 has. The kernel starts it with its own defaults, and who changes those for
// the whole machine or container does it there: isolcpus= and coredump_filter= of
// the kernel, CPUAffinity= of systemd, --ulimit of a container.
type machine struct {
	limits   map[int]Limit // of the resources in unnamed
	cpus     []uint64      // a bit each; nil: all
	dumpings string        // core(5), coredump_filter; "" where the kernel has none
}

// thisMachine is read once. What cannot be read is the kernel's own default.
var thisMachine = sync.OnceValue(func() *machine {
	m := kernelDefaults()
	for _, r := range unnamed {
		var have unix.Rlimit
		if unix.Prlimit(1, r.number, nil, &have) == nil { // takes root
			m.limits[r.number] = Limit{have.Cur, have.Max}
		}
	}
	if status, err := files.Read("/proc/1/status"); err == nil {
		m.cpus = cpusAllowed(status)
	}
	if m.dumpings = readFilter("1"); m.dumpings == "" {
		m.dumpings = ownDumpings() // unreadable: nothing to compare with
	}
	return m
})

// unnamed are the resources that no setting has a name for (getrlimit(2)), with
// what the kernel gives its first process (asm-generic/resource.h). The number of
// pending signals goes by the memory of the machine, and has none here.
var unnamed = []struct {
	call   string // the name of the one that sets it
	name   string
	number int
	usual  *Limit
}{
	{"setrlimit cpu", "RLIMIT_CPU", unix.RLIMIT_CPU, &Limit{Unlimited, Unlimited}},
	{"setrlimit data", "RLIMIT_DATA", unix.RLIMIT_DATA, &Limit{Unlimited, Unlimited}},
	{"setrlimit locks", "RLIMIT_LOCKS", unix.RLIMIT_LOCKS, &Limit{Unlimited, Unlimited}},
	{"setrlimit msgqueue", "RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE, &Limit{819200, 819200}},
	{"setrlimit nice", "RLIMIT_NICE", unix.RLIMIT_NICE, &Limit{}},
	{"setrlimit rss", "RLIMIT_RSS", unix.RLIMIT_RSS, &Limit{Unlimited, Unlimited}},
	{"setrlimit rtprio", "RLIMIT_RTPRIO", unix.RLIMIT_RTPRIO, &Limit{}},
	{"setrlimit rttime", "RLIMIT_RTTIME", unix.RLIMIT_RTTIME, &Limit{Unlimited, Unlimited}},
	{"setrlimit sigpending", "RLIMIT_SIGPENDING", unix.RLIMIT_SIGPENDING, nil},
}

func kernelDefaults() *machine {
	m := &machine{limits: map[int]Limit{}}
	for _, r := range unnamed {
		if r.usual != nil {
			m.limits[r.number] = *r.usual
		}
	}
	return m
}

// cpusAllowed reads the mask in proc_pid_status(5): words of 32 bits in hexadecimal,
// the highest first. Unlike sched_getaffinity(2) it also has the CPUs that are
// offline now. It is nil where the mask cannot be read.
func cpusAllowed(status []byte) []uint64 {
	_, rest, found := bytes.Cut(status, []byte("\nCpus_allowed:"))
	if !found {
		return nil
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	words := bytes.Split(bytes.TrimSpace(line), []byte(","))
	slices.Reverse(words)
	mask := make([]uint64, cpuWords)
	for i, word := range words {
		bits, err := strconv.ParseUint(string(word), 16, 32)
		if err != nil || i/2 >= len(mask) {
			return nil
		}
		mask[i/2] |= bits << (32 * (i % 2))
	}
	return mask
}
