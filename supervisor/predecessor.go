package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
	"supd/supervisor/output"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// inherit finds out what an earlier supd has left running, and offers the sockets
// of its workers to the set. Nothing of theirs is touched.
func (h *host) inherit() (*predecessor, error) {
	r, err := record.Read(h.writer.Path, h.writer.Boot)
	if err != nil {
		h.log.Error("record of what runs", "error", err)
	}
	p := &predecessor{passed: launch.Passed{}, workers: map[*record.Worker]*launch.Worker{}}
	h.predecessor = p
	if r != nil {
		p.slots, p.logs, p.recorded = r.Slots, r.Logs, true
		p.receive(r, h.self)
		h.statsd.Load()
	}
	offered := map[string]bool{}
	for name, fd := range p.passed {
		if key, isSocket := strings.CutPrefix(name, "socket "); isSocket {
			key, _, _ = strings.Cut(key, " ")
			h.sockets.offer(key, fd)
			offered[key] = true
			delete(p.passed, name)
		}
	}
	if !p.became { // else all was recorded when nothing moved any more
		if err := p.unrecorded(h.launcher.Runtime, h.log); err != nil {
			return nil, err
		}
	}
	h.raiseDescriptors(p)
	if err := h.findAll(p); err != nil {
		return nil, enoughDescriptors(err)
	}
	h.offerAll(p, offered)
	h.seek(p, offered)
	h.offerAll(p, offered)
	return p, nil
}

// receive takes the descriptors that came through an execve: of a record that this
// very process has left, when it was another program.
func (p *predecessor) receive(r *record.Record, self int) {
	if p.became = isLeftBy(r, self); !p.became {
		return
	}
	for name, fd := range r.Passed {
		unix.CloseOnExec(fd)
		p.passed[name] = fd
	}
}

// isLeftBy reports whether a record of this boot is of that very process.
func isLeftBy(r *record.Record, pid int) bool {
	start, err := tree.StartTime(pid)
	return r.Pid == pid && err == nil && start == r.Start
}

// findAll looks for the process of each recorded worker.
func (h *host) findAll(p *predecessor) error {
	for i := range p.slots {
		s := &p.slots[i]
		for k := range s.Workers {
			if err := h.find(p, s, &s.Workers[k]); err != nil { // what may live must not be started a second time
				return fmt.Errorf("%s, pid %d, cannot be taken over: %w", s.Name(), s.Workers[k].Pid, err)
			}
		}
	}
	return nil
}

func (h *host) find(p *predecessor, s *record.Slot, w *record.Worker) error {
	process := w.Process
	process.Adopted = !p.became || w.Adopted // else it is this process's child
	if process.Belongings.Directory != "" {
		// Beneath the runtime directory as it is called now: it is removed with all
		// that is in it.
		process.Belongings.Directory = h.launcher.Rooms.Find(s.App, s.File(w.Generation))
	}
	found, err := h.launcher.Find(process)
	if err != nil {
		return err
	}
	p.workers[w] = found
	w.Alive, w.Adopted = found.Lives(), found.Adopted
	return nil
}

// unrecorded adds workers whose launch was not recorded any more before the
// earlier supd was killed. They are known by the notes of their launches, and by
// nothing that they say themselves but the token in there.
func (p *predecessor) unrecorded(runtime configs.Runtime, log *slog.Logger) error {
	notes, err := launch.Notes(runtime)
	if err != nil {
		log.Error("notes of launches", "error", err)
	}
	users, launches := map[string]int{}, map[string]string{}
	for name, n := range notes {
		users[n.Token], launches[n.Token] = n.UID, name
	}
	found, err := tree.Find(users, runtime.Workers())
	if err != nil {
		return fmt.Errorf("searching for workers: %w", err)
	}
	pids, known := p.recordedWorkers()
	for _, one := range found.Launched {
		if name := launches[one.Token]; !pids[one.Pid] && !known[name] {
			p.add(name, notes[name], one, log)
			known[name] = true
		}
	}
	for _, c := range found.Claimants {
		if !pids[c.Pid] && !known[filepath.Base(c.Runtime)] { // else a worker has started it
			log.Error("a process with the environment of a worker, but not its token, is left alone", "pid", c.Pid, "worker", c.Worker)
		}
	}
	if !p.became { // else they are this process's children
		killHooks(found.Hooks, known, log)
	}
	if found.More > 0 {
		log.Error("more processes with the environment of a worker, but not its token, are left alone", "processes", found.More)
	}
	return nil
}

// killHooks ends the hooks that an earlier supd has left of workers that are gone, or were
// not launched yet: nobody knows when their time is over, and they may be run again. Those
// of living workers go with them.
func killHooks(hooks []tree.Claimant, known map[string]bool, log *slog.Logger) {
	hooks = slices.DeleteFunc(hooks, func(c tree.Claimant) bool { return known[filepath.Base(c.Runtime)] })
	if len(hooks) == 0 {
		return
	}
	killed, err := tree.KillHooks(hooks)
	log.Warn("killed hooks that an earlier supd has left", "processes", killed)
	if err != nil {
		log.Error("hooks that an earlier supd has left", "error", err)
	}
}

// add takes up a worker that is known by the note of its launch.
func (p *predecessor) add(name string, n launch.Note, one tree.Launched, log *slog.Logger) {
	app, process, number, generation, ok := configs.ParseLaunchName(name)
	if !ok || number > record.MostSlots {
		log.Error("a note is of no launch, and its process is left alone", "launch", name, "pid", one.Pid)
		return
	}
	slot := p.slot(app, process, number)
	log.Warn("worker without a record", "worker", slot.Name(), "pid", one.Pid)
	launched := time.Now().Add(-tree.Age(one.Start))
	if slot.Up && !slot.Gated && len(slot.Workers) == 0 && 0 < slot.Generation && slot.Generation < generation { // its death was recorded, and not that it was launched again
		slot.Restarts++
		slot.Relaunched(launched)
		slot.Cause = ""
	}
	slot.Generation = max(slot.Generation, generation)
	w := record.Worker{Version: n.Version, Found: record.Found{Lost: !p.recorded, UID: n.UID}}
	w.Generation, w.State, w.Launched = generation, api.Starting, launched
	w.Pid, w.Identity.Start = one.Pid, one.Start
	w.Belongings = n.Belongings()
	w.Belongings.Directory = name // find makes it a path
	slot.Workers = append(slot.Workers, w)
}

// recordedWorkers gives the pids and the launches of the workers in the record.
func (p *predecessor) recordedWorkers() (pids map[int]bool, launches map[string]bool) {
	pids, launches = map[int]bool{}, map[string]bool{}
	for i := range p.slots {
		s := &p.slots[i]
		for k := range s.Workers {
			pids[s.Workers[k].Pid] = true
			launches[s.File(s.Workers[k].Generation)] = true
		}
	}
	return pids, launches
}

// slot finds or adds a slot.
func (p *predecessor) slot(app, process string, number int) *record.Slot {
	for i := range p.slots {
		if s := &p.slots[i]; s.App == app && s.Process == process && s.Number == number {
			return s
		}
	}
	p.slots = append(p.slots, record.Slot{App: app, Process: process, Number: number, SlotState: record.SlotState{Up: true}})
	return &p.slots[len(p.slots)-1]
}

// offerAll gives the set a copy of each listening socket that a worker was found to hold,
// unless it was offered already.
func (h *host) offerAll(p *predecessor, offered map[string]bool) {
	for s, w := range p.lives() {
		if s.Number != record.Candidate { // whose sockets are its own
			h.offer(s.App, w, p.workers[w], offered)
		}
	}
}

func (h *host) offer(app string, w *record.Worker, found *launch.Worker, offered map[string]bool) {
	for name, inode := range w.Belongings.Sockets {
		key := keyOf(app, w, name)
		if offered[key] || name == "probe" {
			continue
		}
		fd, err := found.Held(inode)
		if err != nil {
			h.log.Debug("socket of a worker", "socket", key, "pid", w.Pid, "error", err)
			h.sockets.notTaken(key, w.Pid, err)
			continue
		}
		offered[key] = true
		h.sockets.set.Offer(key, fd)
	}
}

// keyOf is the key of a worker's socket, as far as it is known: the note of a launch does
// not have the names, and the set finds out by the address.
func keyOf(app string, w *record.Worker, name string) string {
	if w.Key == "" {
		return w.Belongings.Directory + " " + name
	}
	return engine.SocketKey(app, name)
}

// A start waits so long for the search in workers that do not hold what is supd's where
// they were given it: for those of one app, and for all.
const (
	appTime = 400 * time.Millisecond
	allTime = 2 * time.Second
)

// seek looks further for what was not found yet. Nobody else waits for the workers of an
// app, whatever those have done. What is not found is as if nobody had it.
func (h *host) seek(p *predecessor, offered map[string]bool) {
	sought := map[string][]launch.Sought{}
	for s, w := range p.lives() {
		wants := func(name string) bool {
			isProbe := name == "probe" || w.Key == "" // which may be any of them then
			return isProbe || s.Number != record.Candidate && !offered[keyOf(s.App, w, name)]
		}
		if one := p.workers[w].Sought(s.File(w.Generation), p.passed, wants); !one.IsEmpty() {
			sought[s.App] = append(sought[s.App], one)
		}
	}
	ctx, end := context.WithTimeout(context.Background(), allTime)
	defer end()
	for _, app := range slices.Sorted(maps.Keys(sought)) {
		own, end := context.WithTimeout(ctx, appTime)
		if err := launch.Seek(own, sought[app]); err != nil {
			h.log.Warn("sockets and outputs of workers are not all found, and are taken for closed", "app", app, "error", err)
		}
		end()
	}
}

// warn says which sockets an earlier supd has not left.
func (s *sockets) warn(recorded bool) {
	for key, one := range s.set.All() {
		if recorded && !one.Adopted() {
			s.log.Warn("socket bound anew: no listener of an earlier supd was found", "socket", key)
		}
	}
}

// takeOver makes what an earlier supd has left what this one has, and removes the
// rest.
func (s *Supervisor) takeOver(c *configs.Config, p prepared, left *predecessor) {
	lost := map[string]engine.Lost{}
	for _, one := range p.Apps {
		state := one.State
		isLost := state.Active == "" && state.NextID == 0 && state.Rollout == nil // the first rollout of all makes NextID more than 0
		if one.Config.Release != nil && isLost && left.runs(one.Config.Name) {
			lost[one.Config.Name] = s.releaseOf(c, left, one.Config.Name)
		}
	}
	s.owner.TakeOver(engine.Predecessor{Slots: left.slots, Lost: lost, Program: func(w *record.Worker, p *configs.Process) engine.Program {
		return s.programOf(c, w, p)
	}})
	left.passed.Close()
	s.host.sweepRuntime(left)
	s.host.predecessor = nil
}

// programOf listens on to a worker whose process the configuration does not have any
// more.
func (s *Supervisor) programOf(c *configs.Config, w *record.Worker, process *configs.Process) engine.Program {
	p := &program{host: s.host, account: &privdrop.Account{}}
	recorded := cmp.Or(w.Log, process.Log.File)
	path := logPath(c, filepath.Base(w.Belongings.Directory), recorded)
	if path != recorded && recorded != "" {
		s.log.Error("a log that the configuration does not name is not written to", "pid", w.Pid, "log", recorded, "instead", path)
	}
	if path != "" {
		p.log = s.files.OpenLater(path, output.Options{UID: -1, GID: -1, Mode: 0o640})
	}
	return p
}

// releaseOf prepares the app with the release that its living workers run: the one
// that was desired, where there are two.
func (s *Supervisor) releaseOf(c *configs.Config, left *predecessor, app string) engine.Lost {
	lost := engine.Lost{Err: errors.New("no worker tells its release")}
	for w := range left.living(app) {
		var v configs.Version
		switch {
		case w.Old && lost.App.Release != nil:
			continue
		case w.Release != nil:
			v = *w.Release
		case w.Version != "":
			r, err := s.store.Get(app, w.Version)
			if err != nil {
				lost.Err = err
				continue
			}
			v = versionOf(r)
		default:
			continue
		}
		lost.App, lost.Err = s.preparer(c, nil).releaseSoon(app, v)
		if lost.Err == nil && !w.Old {
			return lost
		}
	}
	return lost
}

// living are an app's workers but for candidates, the dead left out.
func (p *predecessor) living(app string) iter.Seq[*record.Worker] {
	return func(yield func(*record.Worker) bool) {
		for s, w := range p.lives() {
			if s.App == app && s.Number != record.Candidate && !yield(w) {
				return
			}
		}
	}
}

// lives are the workers that live, each with its slot.
func (p *predecessor) lives() iter.Seq2[*record.Slot, *record.Worker] {
	return func(yield func(*record.Slot, *record.Worker) bool) {
		for i := range p.slots {
			s := &p.slots[i]
			for k := range s.Workers {
				if w := &s.Workers[k]; w.Alive && !yield(s, w) {
					return
				}
			}
		}
	}
}

func (p *predecessor) runs(app string) bool {
	for range p.living(app) {
		return true
	}
	return false
}

// sweepRuntime removes what was made for workers that are gone.
func (h *host) sweepRuntime(left *predecessor) {
	alive, dead := map[string]bool{}, map[string]bool{} // a dead worker's end removes its directory and its note
	for _, w := range left.workers {
		name := filepath.Base(w.Belongings.Directory)
		alive[name], dead[name] = w.Lives(), !w.Lives()
	}
	runtime := h.launcher.Runtime
	for _, dir := range []string{string(runtime), runtime.Launches(), runtime.Probes(), runtime.Notifies()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			h.log.Warn("cleaning up after an earlier supd", "error", err)
		}
		for _, entry := range entries {
			name := entry.Name()
			stage := strings.HasPrefix(name, socket.Private) // of a socket that was being made: nothing is now
			ofDead := dir == runtime.Launches() && dead[name]
			if !stage && (dir == string(runtime) || alive[name] || ofDead || strings.HasPrefix(name, ".")) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				h.log.Warn("cleaning up after an earlier supd", "error", err)
			}
		}
	}
	if err := h.launcher.Rooms.Sweep(func(name string) bool { return alive[name] || dead[name] }); err != nil {
		h.log.Warn("cleaning up after an earlier supd", "error", err)
	}
}
