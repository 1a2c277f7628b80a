package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/output"
	"supd/supervisor/release"
	"supd/supervisor/tree"
)

// estate is what an earlier supd has left, and who of its workers lives.
type estate struct {
	recorded bool // there is a record, of this boot of the machine
	slots    []savedSlot
	runners  map[*savedWorker]*running // the living and the dead
}

// inherit finds out what an earlier supd has left running, and offers the sockets
// of its workers to the set. Nothing of theirs is touched.
func (l *linux) inherit() (*estate, error) {
	s, err := readSaved(l.runtime, l.writer.boot)
	if err != nil {
		l.log.Error("record of what runs", "error", err)
	}
	e := &estate{runners: map[*savedWorker]*running{}}
	l.passed = l.received(s)
	for name, fd := range l.passed {
		if key, isSocket := strings.CutPrefix(name, "socket "); isSocket {
			key, _, _ = strings.Cut(key, " ")
			l.offerAs(key, fd)
			delete(l.passed, name)
		}
	}
	if s != nil {
		e.slots, e.recorded = s.Slots, true
	}
	if !l.became { // else all was recorded when nothing moved any more
		if err := l.unrecorded(e); err != nil {
			return nil, err
		}
	}
	offered := map[string]bool{}
	for i := range e.slots {
		for k := range e.slots[i].Workers {
			w := &e.slots[i].Workers[k]
			r, err := l.runner(&e.slots[i], w)
			if err != nil { // what may live must not be started a second time
				return nil, fmt.Errorf("%s, pid %d, cannot be taken over: %w", e.slots[i].name(), w.Pid, err)
			}
			e.runners[w] = r
			if e.slots[i].Number != candidateSlot { // whose sockets are its own
				l.offer(e.slots[i].App, w, r, offered)
			}
		}
	}
	return e, nil
}

// unrecorded adds workers whose launch was not recorded any more before the
// earlier supd was killed. They are known by their environment.
func (l *linux) unrecorded(e *estate) error {
	found, err := tree.Find(filepath.Join(l.runtime, "workers"))
	if err != nil {
		return fmt.Errorf("searching for workers: %w", err)
	}
	for _, one := range found {
		if e.has(one.Pid) {
			continue
		}
		slot := e.slot(one.Worker)
		if slot == nil || !wasMade(slot, one) {
			l.log.Error("a process with the environment of a worker, but not its directory, is left alone", "pid", one.Pid, "worker", one.Worker)
			continue
		}
		l.log.Warn("worker without a record", "worker", one.Worker, "pid", one.Pid)
		slot.Generation = max(slot.Generation, one.Generation)
		slot.Workers = append(slot.Workers, savedWorker{Pid: one.Pid, Identity: savedIdentity{Start: one.Start},
			Generation: one.Generation, State: Starting, Launched: time.Now().Add(-tree.Age(one.Start)),
			Version: environmentOf(one.Pid, "SUPD_VERSION"), Lost: !e.recorded, Belongings: savedBelongings{Directory: one.Runtime}})
	}
	return nil
}

// wasMade tells whether a supd has made the directory that a process names as its
// own. Anybody can start one with the environment of a worker, but not with the
// directory; the process may have changed its user since it got that of root.
func wasMade(s *savedSlot, one tree.Launched) bool {
	var st unix.Stat_t
	if filepath.Base(one.Runtime) != s.file(one.Generation) || unix.Lstat(one.Runtime, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false
	}
	return st.Uid == 0 || uidOf(one.Pid) == strconv.FormatUint(uint64(st.Uid), 10)
}

// uidOf is the real uid of a process, "" if there is none (proc_pid_status(5)).
func uidOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(data), "\nUid:\t")
	uid, _, _ := strings.Cut(after, "\t")
	return uid
}

func (e *estate) has(pid int) bool {
	return slices.ContainsFunc(e.slots, func(s savedSlot) bool {
		return slices.ContainsFunc(s.Workers, func(w savedWorker) bool { return w.Pid == pid })
	})
}

// slot finds or adds the slot of a worker's name, "whois/web.1"; nil where it is
// none.
func (e *estate) slot(name string) *savedSlot {
	app, rest, _ := strings.Cut(name, "/")
	process, number, ok := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || !isName(app) || !isName(process) || n < 0 || n > mostSlots {
		return nil
	}
	for i := range e.slots {
		if s := &e.slots[i]; s.App == app && s.Process == process && s.Number == n {
			return s
		}
	}
	e.slots = append(e.slots, savedSlot{App: app, Process: process, Number: n, Up: true})
	return &e.slots[len(e.slots)-1]
}

// environmentOf gives a variable that a process was started with.
func environmentOf(pid int, name string) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for entry := range strings.SplitSeq(string(data), "\x00") {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// runner is the handle of a worker that was launched earlier. Its process is nil
// when it is gone.
func (l *linux) runner(s *savedSlot, w *savedWorker) (*running, error) {
	r := &running{main: w.Pid, adopted: true, identity: w.Identity, pipe: w.Belongings.Pipe,
		given: w.Belongings.Sockets, dir: l.directoryOf(s, w), group: w.Belongings.Cgroup, announced: make(chan struct{}), look: make(chan struct{}, 1)}
	close(r.announced)
	r.life, r.die = context.WithCancel(context.Background())
	_, r.cancel = context.WithCancel(r.life)
	if l.became && !w.Adopted { // it is this process's child
		r.adopted = false
	}
	process, err := privdrop.Adopt(w.Pid, w.Identity.Start, w.Identity.Inode)
	switch {
	case errors.Is(err, privdrop.ErrEnded): // a zombie: the owner reaps it where it is a child
		return r, nil
	case errors.Is(err, privdrop.ErrGone): // nobody is going to reap it
		r.adopted = true
		return r, nil
	case err != nil:
		return nil, err
	}
	r.process, r.seen = process, tree.Now()
	if r.identity.Inode == 0 {
		r.identity.Start, r.identity.Inode, _ = process.Identity()
	}
	return r, nil
}

// directoryOf is a worker's XDG_RUNTIME_DIR: beneath the runtime directory as it is
// called now, for it is removed with all that is in it.
func (l *linux) directoryOf(s *savedSlot, w *savedWorker) string {
	if w.Belongings.Directory == "" {
		return ""
	}
	return filepath.Join(l.runtime, "workers", s.file(w.Generation))
}

// offer gives the set a copy of each listening socket that the worker holds.
func (l *linux) offer(app string, w *savedWorker, r *running, offered map[string]bool) {
	if r.process == nil {
		return
	}
	for name, inode := range w.Belongings.Sockets {
		key := socketKey(app, name)
		if offered[key] || name == "probe" {
			continue
		}
		fd, err := l.held(r, inode)
		if err != nil {
			l.log.Debug("socket of a worker", "socket", key, "pid", w.Pid, "error", err)
			continue
		}
		offered[key] = true
		l.set.Offer(key, fd)
	}
	if w.Key == "" { // it was not recorded, and is from now on
		r.given = map[string]uint64{}
		for i, fd := range l.allHeld(r) {
			r.given["held "+itoa(i)] = inodesIn([]int{fd})[0]
			l.set.Offer("of "+w.Belongings.Directory, fd)
		}
	}
}

// takeOver makes what an earlier supd has left what this one has. The configuration
// is applied, and the rollouts that were under way are planned; nothing was
// launched yet.
func (o *owner) takeOver(e *estate, l *linux) {
	o.unjournaled(e, l)
	for i := range e.slots {
		saved := &e.slots[i]
		s := o.slotOf(saved)
		s.restore(saved)
		for k := range saved.Workers {
			w := &saved.Workers[k]
			o.restore(s, w, e.runners[w], l)
		}
	}
	o.eachSlot(func(s *slot) { s.settleEdition() })
	for _, a := range o.apps {
		if r := a.rollout; r != nil {
			o.goOn(r)
		}
	}
}

// unjournaled has the release active that an app's workers run, where its journal
// is lost: they are not stopped because of that.
func (o *owner) unjournaled(e *estate, l *linux) {
	for _, a := range o.apps {
		if a.config.Release == nil || a.state.Active != "" || a.state.NextID != 0 || a.rollout != nil || !e.runs(a.name) {
			continue // the first rollout of all makes NextID more than 0
		}
		v, one, err := l.supervisor.releaseOf(e, a.name)
		if err != nil {
			a.trouble = fmt.Errorf("the journal of releases is lost, and what runs goes on without: %w; deploy a release", err)
			o.log.Error("release state", "app", a.name, "error", a.trouble)
			continue
		}
		o.log.Warn("the journal of releases is lost, the one that runs is active", "app", a.name, "release", v.Name)
		a.state.Active, a.state.Place = v.Name, placeOf(&v)
		o.applyApp(a, one, nil)
		o.record(a, a.state.Clone(), func(o *owner, err error) {
			if err != nil {
				o.log.Error("that a release is active is not in the journal", "app", a.name, "error", err)
			}
		})
	}
}

// releaseOf prepares the app with the release that its living workers run: the one
// that was wished for, where there are two.
func (s *Supervisor) releaseOf(e *estate, app string) (v configs.Version, one preparedApp, err error) {
	err = errors.New("no worker tells its release")
	for w := range e.living(app) {
		switch {
		case w.Old && v.Name != "":
			continue
		case w.Release != nil:
			v = *w.Release
		case w.Version != "":
			var r release.Release
			if r, err = s.store.Get(app, w.Version); err != nil {
				continue
			}
			v = versionOfRelease(r)
		default:
			continue
		}
		work := preparer{s.files, map[*output.Log]output.Options{}}
		if one, err = work.release(s.newest.Load(), app, v); err == nil && !w.Old {
			return v, one, nil
		}
	}
	return v, one, err
}

// living are an app's workers but for candidates, the dead left out.
func (e *estate) living(app string) iter.Seq[*savedWorker] {
	return func(yield func(*savedWorker) bool) {
		for i := range e.slots {
			for k := range e.slots[i].Workers {
				w := &e.slots[i].Workers[k]
				if e.slots[i].App == app && e.slots[i].Number != candidateSlot && e.runners[w].process != nil && !yield(w) {
					return
				}
			}
		}
	}
}

func (e *estate) runs(app string) bool {
	for range e.living(app) {
		return true
	}
	return false
}

// slotOf finds or makes the slot of a record: one that the configuration has no
// more is emptied.
func (o *owner) slotOf(saved *savedSlot) *slot {
	a := o.findApp(saved.App)
	if a == nil {
		a = o.app(saved.App)
		a.config, a.removed = &configs.App{Name: saved.App, Rollout: configs.Rollout{Surge: configs.Surge{Workers: 1}}}, true
	}
	p := a.process(saved.Process)
	if p.config == nil {
		p.config = &configs.Process{Name: saved.Process, Stop: []configs.StopStep{{Signal: unix.SIGTERM, Wait: 30 * time.Second}}}
		p.removed = true
	}
	if saved.Number == candidateSlot {
		s := &slot{process: p, number: candidateSlot}
		if r := a.rollout; r != nil {
			r.candidate = s
		} else {
			o.orphans = append(o.orphans, s)
		}
		return s
	}
	for n := len(p.slots); n < saved.Number; n++ {
		p.slots = append(p.slots, &slot{process: p, number: n + 1, edition: p.edition, removed: true})
	}
	return p.slots[saved.Number-1]
}

// restore puts back what is known of a slot.
func (s *slot) restore(saved *savedSlot) {
	s.up = saved.Up && !s.removed && s.number != candidateSlot
	s.gated, s.done, s.gaveUp, s.retry = saved.Gated && saved.Generation == 0, saved.Done, saved.GaveUp, saved.Retry
	s.limiter.failures, s.generation, s.restarts = saved.InARow, saved.Generation, saved.Restarts
	s.failures, s.trouble, s.lastExit, s.lastClean = saved.Failures, saved.Trouble, saved.LastExit, saved.LastClean
}

// restore puts a worker back into its slot. One that has died meanwhile ends now.
func (o *owner) restore(s *slot, saved *savedWorker, r *running, l *linux) {
	e := o.editionOf(s, saved, l)
	w := &worker{slot: s, config: e.config, edition: e, generation: saved.Generation, state: saved.State,
		deadline: saved.Deadline, handle: r, launched: saved.Launched, ready: saved.Ready, draining: saved.Draining,
		failure: saved.Failure, steps: saved.Steps, sent: saved.Sent, killed: saved.Killed}
	r.job = o.job(w)
	r.job.log = e.log
	s.workers = append(s.workers, w)
	if !r.adopted {
		o.workers[r.main] = w // reaped like any other
	}
	if r.process == nil && r.adopted {
		o.log.Warn("worker has ended while no supd was there", "worker", s.name(), "pid", saved.Pid)
		o.ended(w, death{pid: saved.Pid, code: -1, reason: "ended while no supd was there"})
		return
	}
	o.workers[r.main] = w
	o.log.Info("worker taken over", "worker", s.name(), "pid", r.main, "state", w.state, "generation", w.generation)
	o.allow(w, saved)
	if r.process == nil { // what it has said last is in its pipe
		if err := r.reopenOutput(l, r.job, l.post); err != nil {
			l.log.Warn("last output of a worker", "worker", s.name(), "error", err)
		}
		return
	}
	l.resume(w, r, saved)
	if w.state == Running || w.state == Unhealthy {
		o.kernel.watch(w, s.process.app.rollout.targets(w))
	}
}

// allow gives a worker the time again that it was not listened to: a READY=1 or a
// WATCHDOG=1 that it has sent meanwhile was heard by nobody, and sd_notify(3) does
// not send it again. One that was not ready by then is replaced after a whole
// timeout, by the ordinary rules.
func (o *owner) allow(w *worker, saved *savedWorker) {
	switch {
	case w.state == Running:
		w.deadline = o.watchdogDeadline(w)
	case w.state == Starting && saved.Lost && !asksAgain(w.config.Ready):
		w.ready = time.Now()
		w.set(o.log, Running, o.watchdogDeadline(w), "runs, and whether it was ready is in no record")
	case w.state == Starting && w.config.Ready.Uptime > 0:
		w.deadline = w.launched.Add(w.config.Ready.Uptime)
	case w.state == Starting:
		w.deadline = time.Now().Add(startTime(w.config.Ready))
	}
}

// asksAgain tells whether a worker that is ready already is found to be.
func asksAgain(r configs.Ready) bool { return !r.Notify && r.Log == "" }

// editionOf finds the edition that a worker was launched from: of those that this
// supd knows, or an old one that is to be replaced.
func (o *owner) editionOf(s *slot, saved *savedWorker, l *linux) *edition {
	p := s.process
	if r := p.app.rollout; r != nil {
		for _, t := range r.turns {
			if t.process == p && t.to != nil && t.to.is(saved) && l.hasSockets(t.to, p.app.name, saved) {
				return t.to
			}
		}
	}
	if p.edition != nil && p.edition.is(saved) && !saved.Old && l.hasSockets(p.edition, p.app.name, saved) {
		return p.edition
	}
	old := edition{config: p.config, release: saved.Release, hash: saved.Key, account: &privdrop.Account{}}
	if p.edition != nil {
		old.config, old.account, old.log = p.edition.config, p.edition.account, p.edition.log
	} else {
		old.asBefore(saved, l)
	}
	if old.release == nil && saved.Version != "" {
		old.release = &configs.Version{Name: saved.Version}
	}
	return &old
}

// asBefore has a worker of a process that is not in the configuration any more
// stopped and listened to as it was.
func (e *edition) asBefore(saved *savedWorker, l *linux) {
	if e.config.Log.File == "" && len(saved.Stop) > 0 {
		config := *e.config
		config.Stop = saved.Stop
		e.config = &config
	}
	if path := cmp.Or(saved.Log, e.config.Log.File); path != "" && l != nil {
		e.log = l.supervisor.files.OpenLater(path, output.Options{UID: -1, GID: -1, Mode: 0o640})
	}
}

// is tells whether the worker was launched from e. One that was not recorded is
// taken for what its version says.
func (e *edition) is(saved *savedWorker) bool {
	if saved.Key == "" {
		uid := uidOf(saved.Pid)
		return e.version() == saved.Version && (uid == "" || uid == itoa(e.account.UID))
	}
	return e.key() == saved.Key
}

// hasSockets tells whether a worker has the sockets that e would be given: they may
// listen elsewhere by now, or be others. One of which no socket is known has.
func (l *linux) hasSockets(e *edition, app string, saved *savedWorker) bool {
	if l == nil || len(saved.Belongings.Sockets) == 0 {
		return true
	}
	has := map[uint64]bool{}
	for _, inode := range saved.Belongings.Sockets {
		has[inode] = true
	}
	for key, s := range l.set.All() {
		name, own := strings.CutPrefix(key, app+"/")
		if own && slices.Contains(e.config.Sockets, name) && !slices.ContainsFunc(inodesIn(s.Fds()), func(i uint64) bool { return has[i] }) {
			return false
		}
	}
	return true
}

// settleEdition lets a slot whose app's release cannot be started go on with what
// it has.
func (s *slot) settleEdition() {
	if s.edition == nil && s.process.app.trouble != nil && len(s.workers) > 0 {
		s.edition = s.workers[0].edition
	}
}

// resume goes on with what was made for a worker: its output, its notify socket,
// the questions whether it is ready, and waiting for its end.
func (l *linux) resume(w *worker, r *running, saved *savedWorker) {
	j := r.job
	report := l.post
	if err := r.takeBelongings(l, j, saved, report); err != nil {
		l.log.Warn("taking over what belongs to a worker", "worker", j.name(), "pid", r.main, "error", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	if w.state == Starting || w.config.Health.Exec != nil {
		spec, err := r.specAgain(l, j)
		if err != nil {
			l.log.Warn("asking a worker that was taken over", "worker", j.name(), "error", err)
		} else {
			r.launched = spec
			if w.state == Starting {
				r.ask(ctx, l, j, spec, report)
			}
		}
	}
	if r.adopted {
		l.await(w, r)
	}
}

// await reports the end of a worker that is no child of this process.
func (l *linux) await(w *worker, r *running) {
	go func() {
		exit, err := r.process.Done(r.life)
		if err != nil {
			return // it was released, or never waited for
		}
		d := death{pid: r.main, code: -1, reason: "ended, nobody knows how"}
		if exit.Known {
			d = deathOf(r.main, exit.Status)
		}
		l.post(func(o *owner) {
			if o.workers[r.main] == w {
				o.ended(w, d)
			}
		})
	}()
}

// specAgain is what the worker was launched with, for commands that ask.
func (r *running) specAgain(l *linux, j job) (privdrop.Spec, error) {
	notify := ""
	if r.notify != nil {
		notify = r.notify.path
	}
	argv, env, err := environment(j, r.dir, notify)
	if err != nil {
		return privdrop.Spec{}, err
	}
	return workerSpec(j, argv, env), nil
}

// goOn begins again where a rollout stood.
func (o *owner) goOn(r *rollout) {
	for _, t := range r.turns {
		for _, s := range t.process.slots {
			if t.to != nil && s.runs(t.to) != nil || r.status.Step == StepBake {
				s.edition, t.begun = t.to, true
			}
		}
	}
	o.log.Info("rollout goes on", "app", r.app.name, "id", r.status.ID, "to", r.status.To, "step", r.status.Step)
	r.say(nil, 0, "goes on: supd was started again")
	switch r.status.Step {
	case StepSmoke:
		if r.candidate == nil {
			o.startCandidate(r)
		}
	case StepBake:
		r.deadline = time.Now().Add(r.app.config.Rollout.Bake)
	case StepUndo:
		r.failing = true
		o.startUndo(r)
	case StepPaused:
		r.failing = true
	}
}

// unfinished plans the rollout that the app's journal says was under way when supd
// crashed. After a reboot, or where supd was stopped and its workers with it, it is
// over: the release that was active is started.
func (o *owner) unfinished(a *app, crashed bool, target preparedApp, why error) {
	record := a.state.Rollout
	if record == nil {
		return
	}
	r := &rollout{app: a, target: target, status: RolloutStatus{ID: record.ID, Kind: record.Kind, From: record.From, To: record.To,
		By: record.By, StartedAt: record.At, Step: Step(record.Step), Reason: record.Reason}}
	switch {
	case why != nil:
		why = fmt.Errorf("supd was started again in the middle of it, and cannot go on: %w", why)
	case !crashed:
		why = errors.New("supd had ended in the middle of it")
	}
	a.rollout = r
	if why == nil {
		o.plan(r)
		return
	}
	if r.status.Reason == "" {
		r.status.Reason = why.Error()
	}
	r.status.Step = StepUndo
	o.end(r)
}

// savedRelease is the release that an unfinished rollout goes to.
func savedRelease(r *release.Rollout, get func(version string) (release.Release, error)) (release.Release, error) {
	one, err := get(r.To)
	if err == nil && r.Place != nil && one.Files() != r.Place.Files {
		return one, fmt.Errorf("%s was registered anew meanwhile", r.To)
	}
	return one, err
}

// forgetSaved removes the record of what runs: nothing does any more.
func (l *linux) forgetSaved() {
	if err := os.Remove(l.writer.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.log.Warn("record of what ran", "error", err)
	}
}
