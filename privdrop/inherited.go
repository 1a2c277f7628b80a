package privdrop

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// What golang.org/x/sys/unix has no name for.
const (
	ioprioWhoProcess = 1     // linux/ioprio.h
	usualTimerSlack  = 50000 // of PID 1, PR_SET_TIMERSLACK in prctl(2)
	noClamp          = 1<<32 - 1
)

// forget gives the child what a process has when nobody has set anything, in the
// place of what fork and execve keep of this one. The table in doc.go has all of it.
//
// Such a call may fail: taking away what somebody else has set can take a privilege,
// and an ordinary user's supd, or one in a container, then runs its workers as it
// was itself told to run.
func (b *builder) forget() {
	first := len(b.list)
	b.forgetSchedule()
	b.add("personality", "personality(PER_LINUX)", unix.SYS_PERSONALITY, 0)
	b.prctl("machine check policy", "PR_MCE_KILL, PR_MCE_KILL_CLEAR", unix.PR_MCE_KILL, unix.PR_MCE_KILL_CLEAR)
	b.prctl("io flusher", "PR_SET_IO_FLUSHER, 0", unix.PR_SET_IO_FLUSHER, 0)
	b.forgetMemory()
	b.forgetProcess()
	for i := first; i < len(b.list); i++ {
		b.optional(i)
	}
}

func (b *builder) prctl(name, text string, option, arg uintptr) {
	b.add(name, "prctl("+text+")", unix.SYS_PRCTL, option, arg, 0, 0, 0)
}

// forgetSchedule: the class comes first, since a real-time one knows neither nice
// nor timer slack. Unlike sched_setscheduler(2), sched_setattr(2) also takes back the
// length of the slice (Linux 6.12).
func (b *builder) forgetSchedule() {
	nice := b.usualNice()
	attr := unix.SchedAttr{Size: 48, Policy: unix.SCHED_NORMAL, Nice: int32(nice)} // without the clamps, which not every kernel has
	b.add("scheduling class", fmt.Sprintf("sched_setattr(0, SCHED_OTHER, nice %d)", nice),
		unix.SYS_SCHED_SETATTR, 0, address(&b.calls, []unix.SchedAttr{attr}), 0)
	clamp := unix.SchedAttr{Size: unix.SizeofSchedAttr, Flags: unix.SCHED_FLAG_KEEP_ALL | unix.SCHED_FLAG_UTIL_CLAMP, Util_min: noClamp, Util_max: noClamp}
	b.add("utilization clamps", "sched_setattr(0, no utilization clamps)",
		unix.SYS_SCHED_SETATTR, 0, address(&b.calls, []unix.SchedAttr{clamp}), 0)
	b.add("io priority", "ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_NONE)", unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, 0)
	b.prctl("timer slack", fmt.Sprintf("PR_SET_TIMERSLACK, %d", usualTimerSlack), unix.PR_SET_TIMERSLACK, usualTimerSlack)
	b.add("memory policy", "set_mempolicy(MPOL_DEFAULT)", unix.SYS_SET_MEMPOLICY, unix.MPOL_DEFAULT, 0, 0)
	if b.spec.CPUAffinity == nil {
		b.add("sched_setaffinity", "sched_setaffinity(0, the CPUs of PID 1)",
			unix.SYS_SCHED_SETAFFINITY, 0, cpuWords*8, address(&b.calls, b.host.usualCPUs()))
	}
	if b.spec.OOMScoreAdjust == nil {
		b.oomScoreAdjust("0")
	}
}

// usualNice is the Spec's, or 0; without CAP_SYS_NICE no less than this process
// has, for then it can only rise (setpriority(2)).
func (b *builder) usualNice() int {
	switch {
	case b.spec.Nice != nil:
		return *b.spec.Nice
	case b.host.has(unix.CAP_SYS_NICE):
		return 0
	}
	return max(0, b.host.nice)
}

// usualCPUs are those of PID 1; the kernel leaves out what the cgroup does not
// allow (cpuset(7)).
func (h host) usualCPUs() []uint64 {
	if cpus := h.usual().cpus; cpus != nil {
		return cpus
	}
	all := make([]uint64, cpuWords)
	for i := range all {
		all[i] = ^uint64(0)
	}
	return all
}

// forgetMemory is for the settings of a memory, which execve hands on to the next
// one. Until then the child has that of this process, and changes its settings too:
// that is why only those are touched that are not the usual ones.
func (b *builder) forgetMemory() {
	if b.host.noHugePages {
		b.prctl("transparent huge pages", "PR_SET_THP_DISABLE, 0", unix.PR_SET_THP_DISABLE, 0)
	}
	if b.host.mergesPages {
		b.prctl("merging of equal pages", "PR_SET_MEMORY_MERGE, 0", unix.PR_SET_MEMORY_MERGE, 0)
	}
	if filter := b.host.usual().dumpings; b.host.dumpings != filter {
		b.writeOwn("coredump_filter", "0x"+filter)
	}
}

// forgetProcess is for Exec alone: a child has none of it (fork(2)).
func (b *builder) forgetProcess() {
	b.prctl("parent-death signal", "PR_SET_PDEATHSIG, 0", unix.PR_SET_PDEATHSIG, 0)
	b.prctl("child subreaper", "PR_SET_CHILD_SUBREAPER, 0", unix.PR_SET_CHILD_SUBREAPER, 0)
	never := address(&b.calls, make([]unix.Itimerval, 1))
	for _, which := range []uintptr{uintptr(unix.ITIMER_REAL), uintptr(unix.ITIMER_VIRTUAL), uintptr(unix.ITIMER_PROF)} {
		i := b.add("interval timer", "", unix.SYS_SETITIMER, which, never, 0)
		b.list[i].series = "setitimer(every timer, 0)"
	}
}

// forgetLimits gives back the limits that no setting has a name for. Without
// CAP_SYS_RESOURCE a hard limit can only be lowered (setrlimit(2)).
func (b *builder) forgetLimits() {
	names := make([]string, 0, len(unnamed))
	first := len(b.list)
	for _, r := range unnamed {
		limit, ok := b.host.usual().limits[r.number]
		if !ok {
			continue
		}
		if own := b.host.hardLimits[r.number]; !b.host.has(unix.CAP_SYS_RESOURCE) {
			limit = Limit{min(limit.Soft, own), min(limit.Hard, own)}
		}
		names = append(names, r.name)
		b.optional(b.add(r.call, "", unix.SYS_PRLIMIT64, 0, uintptr(r.number), address(&b.calls, []Limit{limit}), 0))
	}
	series := fmt.Sprintf("prlimit64(0, %s, as PID 1 has them)", strings.Join(names, ", "))
	for i := range b.list[first:] {
		b.list[first+i].series = series
	}
}

// writeOwn writes to a file of the child's in /proc.
func (b *builder) writeOwn(file, value string) {
	path := "/proc/self/" + file
	at := ^uintptr(99) // AT_FDCWD, -100
	open := b.add("open "+file, fmt.Sprintf("openat(%q, O_WRONLY)", path),
		unix.SYS_OPENAT, at, b.text(path), unix.O_WRONLY|unix.O_CLOEXEC)
	write := b.add("write "+file, fmt.Sprintf("write(%s, %q)", file, value),
		unix.SYS_WRITE, 0, b.text(value), uintptr(len(value)))
	b.feed(open, write)
}
