package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/output"
	"supd/supervisor/tree"
)

// job is all that a launch needs to know. It is immutable; worker is only handed
// back.
type job struct {
	worker     *worker
	app        string
	process    *configs.Process
	account    *privdrop.Account
	log        *output.Log
	slot       int
	generation int
	release    *configs.Version // nil: the app has none
	mounts     []privdrop.Mount
	private    bool                      // no request may reach it: a smoke test's candidate
	remember   bool                      // its last lines of output
	shared     func(name string) address // of the app's sockets, to be asked through
}

func (o *owner) job(w *worker) job {
	s, e := w.slot, w.edition
	return job{worker: w, app: s.process.app.name, process: w.config, account: e.account, log: e.log,
		slot: s.number, generation: w.generation, release: e.release, mounts: e.mounts(), private: w.private(),
		remember: s.process.app.rollout != nil}
}

func (j job) name() string { return fmt.Sprintf("%s/%s.%d", j.app, j.process.Name, j.slot) }

// listenNames are the worker's sockets, its own last.
func (j job) listenNames() []string {
	names := slices.Clone(j.process.Sockets)
	if j.probe() {
		names = append(names, "probe")
	}
	return names
}

// probe tells whether the worker gets a socket of its own to be asked on.
func (j job) probe() bool { return j.private || j.process.Probe() }

// file is the job's name beneath the runtime directory, of its own for each launch.
func (j job) file() string {
	return fmt.Sprintf("%s.%s.%d.%d", j.app, j.process.Name, j.slot, j.generation)
}

// linux is the kernel that the owner has for real. Its methods run in the
// owner's goroutine; what they start in others reports by post.
type linux struct {
	log        *slog.Logger
	post       func(event)
	became     bool           // this process was the earlier supd
	passed     map[string]int // descriptors that came through an execve
	earlier    []string       // names of sockets that were there before this supd
	keeping    *keeping       // nil: the sockets end with supd
	lock       *os.File       // of the runtime directory
	supervisor *Supervisor    // whose goroutines do what takes time
	journals   journals
	writer     writer // of what runs
	set        *socket.Set
	runtime    string
	null       *os.File // every worker's standard input
	cgroups    string   // the cgroup v2 directory that supd owns, or ""
	self       int
}

// start begins a launch in a goroutine of its own: it makes a pipe, directories
// and sockets, reads env_file and looks for the command.
func (l *linux) start(j job) {
	j.shared = l.addresses(j.app, j.process.Sockets)
	var fds []int
	var err error
	if !j.private {
		fds, err = l.dup(j)
	}
	if err != nil {
		go l.post(func(o *owner) { o.started(j.worker, nil, err) })
		return
	}
	go l.launch(j, fds)
}

// addresses are those of an app's sockets as they are now.
func (l *linux) addresses(app string, names []string) func(string) address {
	all := map[string]address{}
	for _, name := range names {
		if s := l.set.Get(socketKey(app, name)); s != nil {
			network, at := s.Addr()
			all[name] = address{network, at}
		}
	}
	return func(name string) address { return all[name] }
}

// dup duplicates the listening descriptors for the time of the launch, in which
// the owner may close its own.
func (l *linux) dup(j job) (fds []int, err error) {
	for _, name := range j.process.Sockets {
		s := l.set.Get(socketKey(j.app, name))
		if s == nil {
			err = fmt.Errorf("socket %s is not open", name)
			break
		}
		fd, e := unix.FcntlInt(uintptr(s.Fd()), unix.F_DUPFD_CLOEXEC, 0)
		if e != nil {
			err = fmt.Errorf("socket %s: dup: %w", name, e)
			break
		}
		fds = append(fds, fd)
	}
	if err != nil {
		closeAll(fds)
	}
	return fds, err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

func (l *linux) launch(j job, fds []int) {
	defer closeAll(fds)
	r := &running{announced: make(chan struct{}), job: j, look: make(chan struct{}, 1)}
	r.life, r.die = context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	report := func(e event) {
		<-r.announced // an answer must not overtake the launch
		l.post(e)
	}
	if err := r.launch(ctx, l, j, fds, report); err != nil {
		l.post(func(o *owner) { o.started(j.worker, nil, err) })
		close(r.announced)
		r.release(l)
		return
	}
	l.post(func(o *owner) { o.started(j.worker, r, nil) })
	close(r.announced)
}

// running is a started worker with everything that was made for it alone.
type running struct {
	process   *privdrop.Process
	capture   *output.Capture
	notify    *notifySocket
	probe     *socket.Socket
	probePath string
	own       []*socket.Socket // in the place of the shared ones: of a candidate
	dir       string           // XDG_RUNTIME_DIR
	group     string           // cgroup directory
	identity  savedIdentity
	pipe      uint64            // inode of the output\'s
	given     map[string]uint64 // inodes of its sockets, by name
	adopted   bool              // it was launched by an earlier supd
	main      int               // pid
	seen      uint64            // when an adopted one was alive for certain: clock ticks since boot
	cancel    context.CancelFunc
	announced chan struct{}          // closed once the owner knows of the launch
	asking    chan struct{}          // closed once nobody asks any more; nil if nobody did
	last      atomic.Pointer[string] // answer to the question whether it is ready

	job      job           // as it was launched
	launched privdrop.Spec // likewise, for commands that ask
	tail     tail          // of its output, while it is part of a rollout
	closely  atomic.Bool   // it is part of a rollout
	look     chan struct{} // with room for one: closely has changed
	life     context.Context
	die      context.CancelFunc
	first    *time.Timer   // when its children are looked at first
	watching chan struct{} // closed once nobody watches any more; nil if nobody did
}

func (r *running) launch(ctx context.Context, l *linux, j job, fds []int, report func(event)) error {
	spec, out, err := r.spec(l, j, fds, report)
	if err != nil {
		return err
	}
	defer out.close()
	if spec.CgroupFD != 0 {
		defer unix.Close(spec.CgroupFD)
	}
	plan, err := spec.Plan()
	if err != nil {
		return err
	}
	if r.process, err = plan.Start(); err != nil {
		return err
	}
	r.main = r.process.Pid
	// An error says that it has died already, and that nobody will look for it.
	r.identity.Start, r.identity.Inode, _ = r.process.Identity()
	r.pipe, _ = output.PipeInode(out.read) // without it nobody takes it over
	r.capture = j.log.CaptureAs(j.file(), out.take(), r.onLine(j, report), r.fields(j)...)
	if j.process.Health.Exec != nil {
		r.launched = spec
	}
	r.ask(ctx, l, j, spec, report)
	return nil
}

// onLine looks for the line that means ready, and remembers the last ones.
func (r *running) onLine(j job, report func(event)) func([]byte) {
	if j.process.Ready.Log == "" && !j.remember {
		return nil
	}
	found := j.process.Ready.Log == ""
	var want *regexp.Regexp
	if !found {
		want = regexp.MustCompile(j.process.Ready.Log) // configs has compiled it before
	}
	return func(line []byte) {
		if j.remember {
			r.tail.add(line)
		}
		if !found && want.Match(line) {
			found = true
			report(func(o *owner) { o.becameReady(j.worker, "logged the line") })
		}
	}
}

// spec makes everything that the worker needs beside the process, and says how
// it is to be launched.
func (r *running) spec(l *linux, j job, fds []int, report func(event)) (privdrop.Spec, *pipe, error) {
	none := privdrop.Spec{}
	if err := r.makeRuntime(l, j); err != nil {
		return none, nil, err
	}
	if j.private {
		var err error
		if fds, err = r.openPrivate(l, j); err != nil {
			return none, nil, err
		}
	}
	if j.probe() {
		if err := r.openProbe(l, j); err != nil {
			return none, nil, err
		}
		fds = append(fds[:len(fds):len(fds)], r.probe.Fd())
	}
	notify, err := r.openNotify(l, j, report)
	if err != nil {
		return none, nil, err
	}
	argv, env, err := environment(j, r.dir, notify)
	if err != nil {
		return none, nil, err
	}
	out, err := newPipe(j.account)
	if err != nil {
		return none, nil, fmt.Errorf("pipe for the output: %w", err)
	}
	spec := workerSpec(j, argv, env)
	spec.Files = append([]int{int(l.null.Fd()), out.worker(), out.worker()}, fds...)
	spec.ListenNames = j.listenNames()
	r.given = inodesOf(spec.ListenNames, fds)
	if l.cgroups != "" {
		if spec.CgroupFD, err = r.makeCgroup(l, j); err != nil {
			out.close()
			return none, nil, err
		}
	}
	return spec, out, nil
}

// workerSpec is the part of a launch that the configuration states.
func workerSpec(j job, argv, env []string) privdrop.Spec {
	p := j.process
	resources := p.Resources
	resources.OOMScoreAdjust = oomScore(p.OOMScoreAdjust)
	return privdrop.Spec{
		Argv: argv, Env: env, Dir: p.Directory,
		Account: j.account, AllowRoot: p.AllowRoot,
		Resources: resources, Capabilities: p.Capabilities,
		Watchdog: p.Watchdog, Session: true, Mounts: j.mounts,
	}
}

// makeRuntime makes XDG_RUNTIME_DIR: the worker's own, so that two generations
// of gunicorn do not share a control socket.
func (r *running) makeRuntime(l *linux, j job) error {
	dir := filepath.Join(l.runtime, "workers", j.file())
	if err := os.RemoveAll(dir); err != nil { // of an earlier supd
		return err
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) { // somebody has cleaned up
		if err = makeDirectories(l.supervisor.daemon); err == nil {
			err = os.Mkdir(dir, 0o700)
		}
	}
	if err != nil {
		return fmt.Errorf("runtime directory: %w", err)
	}
	r.dir = dir
	if j.account.UID == os.Geteuid() {
		return nil
	}
	return os.Chown(dir, j.account.UID, j.account.GID)
}

func (r *running) openProbe(l *linux, j job) (err error) {
	spec := l.probeSpec(j)
	r.probePath = strings.TrimPrefix(spec.Listen, "unix:")
	r.probe, err = socket.Open(spec)
	return err
}

// openPrivate opens a listener of the worker's own in the place of each shared one.
func (r *running) openPrivate(l *linux, j job) (fds []int, err error) {
	for i, name := range j.process.Sockets {
		spec := socket.Spec{Name: name, Listen: "unix:" + filepath.Join(l.runtime, "probe", fmt.Sprintf("%s.%d", j.file(), i)), Mode: 0o600}
		if j.shared(name).network == "udp" {
			spec = socket.Spec{Name: name, Listen: "udp:127.0.0.1:0"}
		}
		s, err := socket.Open(spec)
		if err != nil {
			return nil, err
		}
		r.own = append(r.own, s)
		fds = append(fds, s.Fd())
	}
	return fds, nil
}

func (r *running) makeCgroup(l *linux, j job) (int, error) {
	dir, err := tree.MakeCgroup(l.cgroups, j.file())
	if err != nil {
		return 0, fmt.Errorf("cgroup: %w", err)
	}
	r.group = dir.Name()
	defer dir.Close()
	return unix.FcntlInt(dir.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

// The handle of the owner.

func (r *running) pid() int { return r.main }
func (r *running) signal(sig unix.Signal) error {
	if r.process == nil { // it has ended, and is about to be reaped
		return unix.ESRCH
	}
	return r.process.Signal(sig)
}
func (r *running) alive() bool { return r.process != nil && r.process.Alive() }

func (r *running) left() tree.Worker {
	return tree.Worker{Cgroup: r.group, Adopted: r.adopted, Runtime: r.dir, Start: r.identity.Start, Seen: r.seen}
}

func (r *running) lastAnswer() string {
	if last := r.last.Load(); last != nil {
		return *last
	}
	return ""
}

// kill spares nobody in the process group. The owner calls it only before it has
// reaped the main process, so that the pid is still this worker's.
func (r *running) kill() {
	if !r.adopted { // else another may have reaped it
		unix.Kill(-r.main, unix.SIGKILL)
	}
	r.signal(unix.SIGKILL)
}

func (r *running) matched() {
	r.cancel()
	if !r.job.remember {
		r.forget()
	}
}

func (r *running) forget() {
	if r.capture != nil {
		r.capture.StopMatching()
	}
}

func (r *running) output() []string { return r.tail.all() }

// release gives back what was made for the worker, after its last process is
// dead. Its last output is in the log when release returns.
func (r *running) release(l *linux) {
	r.cancel()
	r.die()
	if r.first != nil {
		r.first.Stop()
	}
	if r.asking != nil {
		<-r.asking
	}
	if r.watching != nil {
		<-r.watching
	}
	if r.capture != nil {
		r.capture.Finish()
		<-r.capture.Done()
	}
	errs := []error{}
	if r.notify != nil {
		errs = append(errs, r.notify.close())
	}
	if r.probe != nil {
		errs = append(errs, r.probe.Close())
	}
	for _, s := range r.own {
		errs = append(errs, s.Close())
	}
	if r.process != nil {
		errs = append(errs, r.process.Close())
	}
	if r.dir != "" {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	if r.group != "" {
		errs = append(errs, tree.KillCgroup(r.group))
	}
	if err := errors.Join(errs...); err != nil {
		l.log.Warn("cleaning up after a worker", "error", err)
	}
}

// pipe is a worker's output: supd's end and the worker's.
type pipe struct {
	read  *os.File
	write *os.File
}

func newPipe(a *privdrop.Account) (*pipe, error) {
	r, w, err := output.Pipe(a.UID, a.GID)
	return &pipe{r, w}, err
}

func (p *pipe) worker() int { return int(p.write.Fd()) }

// take hands supd's end over.
func (p *pipe) take() *os.File {
	r := p.read
	p.read = nil
	return r
}

func (p *pipe) close() {
	p.write.Close()
	if p.read != nil {
		p.read.Close()
	}
}

// saved is what the next supd has to know to take the worker over.
func (r *running) saved() (savedIdentity, savedBelongings) {
	return r.identity, savedBelongings{Directory: r.dir, Cgroup: r.group, Pipe: r.pipe, Notify: r.notify != nil, Sockets: r.given}
}
