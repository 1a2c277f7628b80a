package privdrop

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Resources are the settings of a worker that no privilege goes by. Unless they say
// otherwise, it has what a process of this machine has when nobody has set anything,
// whatever this process has: see the table of the package. Limits that are not named
// are the exception, and are those of this process.
type Resources struct {
	Umask          *Umask // nil is 0022
	Limits         Limits
	Nice           *int  // in NiceRange; nil is 0
	OOMScoreAdjust *int  // in OOMScoreAdjustRange; nil is 0
	CPUAffinity    []int // in CPURange; nil is all
}

// Range is the lowest and the highest number that a setting may be.
type Range struct{ Low, High int }

func (r Range) holds(n int) bool { return n >= r.Low && n <= r.High }

// What the kernel takes. It has up to 8192 CPUs (NR_CPUS); the 1024 of glibc's
// cpu_set_t (sched_setaffinity(2)) bind only who uses that type.
var (
	NiceRange           = Range{-20, 19}     // setpriority(2)
	OOMScoreAdjustRange = Range{-1000, 1000} // proc_pid_oom_score_adj(5)
	CPURange            = Range{0, 8191}
)

// cpuWords is the length of a mask of all CPUs.
const cpuWords = 8192 / 64

func (r Resources) check() error {
	for name, limit := range r.Limits {
		if _, ok := resources[name]; !ok {
			return fmt.Errorf("limit %q: unknown, want one of %s", name, strings.Join(LimitNames(), ", "))
		}
		if limit.Soft > limit.Hard {
			return fmt.Errorf("limit %s: the soft limit is above the hard one", name)
		}
	}
	for _, cpu := range r.CPUAffinity {
		if !CPURange.holds(cpu) {
			return fmt.Errorf("cpu affinity: no CPU %d, want %d to %d", cpu, CPURange.Low, CPURange.High)
		}
	}
	if r.Umask != nil && *r.Umask > maxUmask {
		return fmt.Errorf("umask %s: want 0000 to %s", *r.Umask, maxUmask)
	}
	return cmp.Or(NiceRange.check("nice", r.Nice), OOMScoreAdjustRange.check("oom score adjust", r.OOMScoreAdjust))
}

func (r Range) check(name string, n *int) error {
	if n != nil && !r.holds(*n) {
		return fmt.Errorf("%s %d: want %d to %d", name, *n, r.Low, r.High)
	}
	return nil
}

// schedule is what a scheduler or the kernel's memory killer asks about. Some of
// it takes privileges.
func (b *builder) schedule() {
	s := &b.spec
	if s.OOMScoreAdjust != nil {
		b.oomScoreAdjust(strconv.Itoa(*s.OOMScoreAdjust))
	}
	if s.Nice != nil {
		b.add("setpriority", fmt.Sprintf("setpriority(PRIO_PROCESS, 0, %d)", *s.Nice),
			unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(*s.Nice))
	}
	if s.CPUAffinity != nil {
		mask := make([]uint64, cpuWords)
		for _, cpu := range s.CPUAffinity {
			mask[cpu/64] |= 1 << (cpu % 64)
		}
		b.add("sched_setaffinity", fmt.Sprintf("sched_setaffinity(0, %v)", s.CPUAffinity),
			unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)*8), address(&b.calls, mask))
	}
	mask := usualUmask
	if s.Umask != nil {
		mask = *s.Umask
	}
	b.add("umask", fmt.Sprintf("umask(%s)", mask), unix.SYS_UMASK, uintptr(mask))
}

// oomScoreAdjust: a child of vfork changes its own value alone, though it shares
// the parent's memory (proc(5), fs/proc/base.c).
func (b *builder) oomScoreAdjust(value string) { b.writeOwn("oom_score_adj", value) }

// limits gives RLIMIT_NOFILE back as it was before Go raised it for itself,
// unless the Spec has its own.
func (b *builder) limits() {
	for _, name := range LimitNames() {
		limit, ok := b.spec.Limits[name]
		if !ok && name == "nofile" && b.host.nofile != nil {
			limit, ok = *b.host.nofile, true
		}
		if ok {
			b.add("setrlimit "+name, fmt.Sprintf("prlimit64(0, RLIMIT_%s, %s)", strings.ToUpper(name), limit), unix.SYS_PRLIMIT64,
				0, uintptr(resources[name]), address(&b.calls, []Limit{limit}), 0)
		}
	}
}
