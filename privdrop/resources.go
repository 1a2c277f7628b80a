package privdrop

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const maxCPU = 8191 // NR_CPUS is 8192 at most

func (b *builder) checkResources() error {
	s := &b.spec
	for name, limit := range s.Limits {
		if _, ok := resources[name]; !ok {
			return fmt.Errorf("limit %q: unknown, want one of %s", name, strings.Join(LimitNames(), ", "))
		}
		if limit.Soft > limit.Hard {
			return fmt.Errorf("limit %s: the soft limit is above the hard one", name)
		}
	}
	for _, cpu := range s.CPUAffinity {
		if cpu < 0 || cpu > maxCPU {
			return fmt.Errorf("cpu affinity: no CPU %d, want 0 to %d", cpu, maxCPU)
		}
	}
	if s.Umask != nil && *s.Umask > 0o777 {
		return fmt.Errorf("umask %s: want 0000 to 0777", *s.Umask)
	}
	if s.Nice != nil && (*s.Nice < -20 || *s.Nice > 19) {
		return fmt.Errorf("nice %d: want -20 to 19", *s.Nice)
	}
	if s.OOMScoreAdjust != nil && (*s.OOMScoreAdjust < -1000 || *s.OOMScoreAdjust > 1000) {
		return fmt.Errorf("oom score adjust %d: want -1000 to 1000", *s.OOMScoreAdjust)
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
		mask := make([]uint64, maxCPU/64+1)
		for _, cpu := range s.CPUAffinity {
			mask[cpu/64] |= 1 << (cpu % 64)
		}
		b.add("sched_setaffinity", fmt.Sprintf("sched_setaffinity(0, %v)", s.CPUAffinity),
			unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)*8), address(&b.calls, mask))
	}
	if s.Umask != nil {
		b.add("umask", fmt.Sprintf("umask(%s)", *s.Umask), unix.SYS_UMASK, uintptr(*s.Umask))
	}
}

// oomScoreAdjust: a child of vfork changes its own value alone, though it shares
// the parent's memory (proc(5), fs/proc/base.c).
func (b *builder) oomScoreAdjust(value string) {
	at := ^uintptr(99) // AT_FDCWD, -100
	file := b.add("open oom_score_adj", `openat("/proc/self/oom_score_adj", O_WRONLY)`,
		unix.SYS_OPENAT, at, b.text("/proc/self/oom_score_adj"), unix.O_WRONLY|unix.O_CLOEXEC)
	b.feed(file, b.add("write oom_score_adj", fmt.Sprintf("write(oom_score_adj, %q)", value),
		unix.SYS_WRITE, 0, b.text(value), uintptr(len(value))))
}

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
