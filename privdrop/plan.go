package privdrop

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Plan is a Spec as a list of system calls, with all memory that they need.
type Plan struct {
	calls
	born   int      // calls that a child born in its cgroup leaves out
	clone3 uintptr  // system call number
	shares bool     // a call gives the child a descriptor table of its own: clone3 need not copy the whole
	cgroup int      // descriptor, 0 is none
	files  []int    // Spec.Files
	names  []string // of its environment
	pids   [][]byte // where the calls write the child's pid

	// What a failure is explained by.
	path    string // of the command
	dir     string // Spec.Dir
	account *Account
	view    View // where the checks look for files

	patience time.Duration // 0 is launchTime
}

// Plan makes the list. Whatever can be known to fail is an error here: a command
// that is not there, root without AllowRoot, a capability or a limit that is
// unknown, an identity that this process cannot take.
func (s Spec) Plan() (*Plan, error) { return s.plan(thisProcess()) }

// Start makes the plan and launches the command, in memory that it uses again. For the
// rest it is Plan.Start.
func (s Spec) Start() (*Process, error) {
	p, err := s.Plan()
	if err != nil {
		return nil, err
	}
	defer p.forget()
	return p.Start()
}

// usualCalls is what a plan hardly ever needs more of.
const usualCalls = 176

// forgotten are plans that nobody needs any more, for their memory.
var forgotten = sync.Pool{New: func() any { return &Plan{calls: calls{list: make([]call, 0, usualCalls)}} }}

// forget ends the use of the plan.
func (p *Plan) forget() {
	clear(p.list)
	clear(p.keep)
	clear(p.room)
	*p = Plan{calls: calls{p.list[:0], p.keep[:0], p.room[:0]}}
	forgotten.Put(p)
}

func (s Spec) plan(h host) (*Plan, error) {
	b := &builder{Plan: forgotten.Get().(*Plan), spec: s, host: h}
	b.clone3, b.cgroup, b.dir, b.account = unix.SYS_CLONE3, s.CgroupFD, s.Dir, s.Account
	if err := b.check(); err != nil {
		return nil, err
	}
	b.enterCgroup()
	b.ownTable()
	b.resetSignals()
	b.leaveSession()
	b.leaveKeyring()
	env := b.environment()
	b.forget()
	b.schedule()                      // after what a Spec may set otherwise
	if err := b.mount(); err != nil { // takes a capability
		return nil, err
	}
	b.descriptors()  // before a limit forbids their numbers
	b.forgetLimits() // raising one takes a capability
	b.limits()
	b.dropPrivileges() // takes them
	b.enterDirectory() // what the user may not enter must fail
	b.tryTakingBack()
	b.execute(env)
	return b.Plan, nil
}

// check is everything that can be said before the first call.
func (b *builder) check() (err error) {
	s := &b.spec
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return errors.New("command: empty")
	}
	if s.Files == nil {
		s.Files = []int{0, 1, 2}
	}
	if len(s.Files) < 3 {
		return fmt.Errorf("files: %d descriptors, want at least standard input, output and error", len(s.Files))
	}
	b.files = s.Files
	for _, check := range []func() error{
		b.checkText, b.checkListen, b.checkAccount, b.checkCapabilities, b.spec.Resources.check, b.checkMounts, b.checkDirectory,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if b.path, err = b.view.findCommand(s.Argv[0], s.Dir, s.Env, s.Account); err != nil {
		return err
	}
	return TooMuch(b.path, s.Argv, s.Env, s.Limits.StackLimit())
}

func (b *builder) checkText() error {
	for i, arg := range b.spec.Argv {
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf("command: argument %d contains a NUL byte", i)
		}
		if err := TooLong(arg); err != nil {
			return fmt.Errorf("command: argument %d %w", i, err)
		}
	}
	for _, pair := range b.spec.Env {
		name, _, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return fmt.Errorf("environment: %q is not NAME=value", name)
		}
		if strings.IndexByte(pair, 0) >= 0 {
			return fmt.Errorf("environment: %s contains a NUL byte", name)
		}
		if err := TooLong(pair); err != nil {
			return fmt.Errorf("environment: %s %w", name, err)
		}
	}
	return nil
}

func (b *builder) checkListen() error {
	s := &b.spec
	if len(s.ListenNames) > 0 && len(s.ListenNames) > len(s.Files)-3 {
		return fmt.Errorf("listen names: %d for %d descriptors after standard error", len(s.ListenNames), len(s.Files)-3)
	}
	for _, name := range s.ListenNames {
		if strings.ContainsAny(name, ":\x00") {
			return fmt.Errorf("listen name %q: contains the separator of LISTEN_FDNAMES", name)
		}
	}
	if (len(s.ListenNames) > 0 || s.Watchdog > 0) && b.host.pid != fmt.Sprint(unix.Getpid()) {
		return fmt.Errorf("/proc/self is %q, but this is pid %d: LISTEN_PID and WATCHDOG_PID need the /proc of this pid namespace", b.host.pid, unix.Getpid())
	}
	return nil
}

func (b *builder) checkDirectory() error {
	if b.spec.Dir == "" {
		return nil
	}
	dir, err := b.view.look(b.spec.Dir, b.spec.Account.Files())
	if errors.Is(err, os.ErrPermission) {
		return nil // chdir will tell, as the user
	}
	if err != nil {
		return fmt.Errorf("directory %s: %w", b.spec.Dir, err)
	}
	defer dir.close()
	if !dir.is(unix.S_IFDIR) {
		return fmt.Errorf("directory %s: not a directory", b.spec.Dir)
	}
	return nil
}

// enterCgroup comes first: without clone3, so that nothing of the child is
// accounted to the parent's cgroup but this; 0 is who writes (cgroups(7)).
func (b *builder) enterCgroup() {
	if b.cgroup <= 0 {
		return
	}
	file := b.add("open cgroup.procs", `openat(cgroup, "cgroup.procs", O_WRONLY)`,
		unix.SYS_OPENAT, uintptr(b.cgroup), b.text("cgroup.procs"), unix.O_WRONLY|unix.O_CLOEXEC)
	b.feed(file, b.add("write cgroup.procs", `write(cgroup.procs, "0")`, unix.SYS_WRITE, 0, b.text("0"), 1))
	b.born = len(b.list)
}

// resetSignals leaves no signal ignored and no handler in place. execve resets
// handlers too, but before it the mask is cleared, and a Go handler must not run
// in a child that shares the parent's memory.
func (b *builder) resetSignals() {
	const sizeofMask = 8
	action := address(&b.calls, make([]uint64, 4)) // struct sigaction of the kernel, SIG_DFL
	for sig := unix.Signal(1); sig <= sigRTMax; sig++ {
		if sig == unix.SIGKILL || sig == unix.SIGSTOP {
			continue
		}
		i := b.add(signalCalls()[sig], "", unix.SYS_RT_SIGACTION, uintptr(sig), action, 0, sizeofMask)
		b.list[i].series = "rt_sigaction(every signal, SIG_DFL)"
	}
}

// signalCalls are the names of the calls that reset signals, by the signal: each
// launch has them all.
var signalCalls = sync.OnceValue(func() []string {
	names := make([]string, sigRTMax+1)
	for sig := range names {
		names[sig] = "rt_sigaction " + SignalName(unix.Signal(sig))
	}
	return names
})

func (b *builder) leaveSession() {
	if b.spec.Session {
		b.add("setsid", "setsid()", unix.SYS_SETSID)
	}
}

func (b *builder) enterDirectory() {
	if b.spec.Dir != "" {
		b.add("chdir "+b.spec.Dir+b.asUser(), fmt.Sprintf("chdir(%q)", b.spec.Dir), unix.SYS_CHDIR, b.text(b.spec.Dir))
	}
}

func (b *builder) asUser() string {
	if b.spec.Account == nil {
		return ""
	}
	return " as " + b.spec.Account.title()
}

func (b *builder) execute(env uintptr) {
	if life := b.spec.Lifetime; life > 0 {
		once := address(&b.calls, []unix.Itimerval{{Value: unix.NsecToTimeval(life.Nanoseconds())}})
		b.add("lifetime", fmt.Sprintf("setitimer(ITIMER_REAL, %s)", life), unix.SYS_SETITIMER, uintptr(unix.ITIMER_REAL), once, 0)
	}
	none := address(&b.calls, []uint64{0})
	b.add("rt_sigprocmask", "rt_sigprocmask(SIG_SETMASK, [])", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, none, 0, 8)
	b.add("execve "+b.path, fmt.Sprintf("execve(%q, %q)", b.path, b.spec.Argv),
		unix.SYS_EXECVE, b.text(b.path), b.texts(b.spec.Argv), env)
}

// environment makes the environment, and for each variable that holds the
// child's pid a call that writes it: the link /proc/self is its digits.
func (b *builder) environment() uintptr {
	env := slices.Clone(b.spec.Env)
	s := &b.spec
	if n := len(s.ListenNames); n > 0 {
		env = without(env, "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID")
		env = append(env, fmt.Sprintf("LISTEN_FDS=%d", n), "LISTEN_FDNAMES="+strings.Join(s.ListenNames, ":"))
	}
	if s.Watchdog > 0 {
		env = without(env, "WATCHDOG_USEC", "WATCHDOG_PID")
		env = append(env, fmt.Sprintf("WATCHDOG_USEC=%d", s.Watchdog.Microseconds()))
	}
	addresses := make([]uintptr, 0, len(env)+3)
	for _, pair := range env {
		addresses = append(addresses, b.text(pair))
		b.names = append(b.names, pair[:strings.IndexByte(pair, '=')])
	}
	if len(s.ListenNames) > 0 {
		addresses = append(addresses, b.pidVariable("LISTEN_PID"))
	}
	if s.Watchdog > 0 {
		addresses = append(addresses, b.pidVariable("WATCHDOG_PID"))
	}
	slices.Sort(b.names)
	return address(&b.calls, append(addresses, 0))
}

func (b *builder) pidVariable(name string) uintptr {
	const digits = 10 // of the largest pid, 4194304 today
	variable := append([]byte(name+"="), make([]byte, digits+1)...)
	pid := variable[len(name)+1:]
	at := address(&b.calls, variable)
	self := b.text("/proc/self")
	b.add("readlink /proc/self", fmt.Sprintf("readlinkat(\"/proc/self\", %s)", name),
		unix.SYS_READLINKAT, ^uintptr(99), self, at+uintptr(len(name)+1), digits) // AT_FDCWD is -100
	b.pids = append(b.pids, pid)
	b.names = append(b.names, name)
	return at
}

// clearPIDs makes the plan ready for one more launch.
func (p *Plan) clearPIDs() {
	for _, pid := range p.pids {
		clear(pid)
	}
}

func without(env []string, names ...string) []string {
	return slices.DeleteFunc(env, func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains(names, name)
	})
}
