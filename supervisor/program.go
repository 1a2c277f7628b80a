package supervisor

import (
	"supd/privdrop"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
	"supd/supervisor/output"
	"supd/supervisor/record"
)

// program launches the workers of one revision: engine.Program. It does not change.
type program struct {
	host    *host
	account *privdrop.Account
	log     *output.Log // nil: nobody reads what they print
}

// Start begins a launch in a goroutine of its own: it makes a pipe, directories
// and sockets, reads env_file and looks for the command.
func (p *program) Start(l engine.Launch) {
	announced := make(chan struct{})
	spec := p.spec(l, announced)
	var fds []int
	if !l.Candidate {
		var err error
		if fds, err = p.host.sockets.duplicatesFor(l.App, l.Process.Sockets); err != nil {
			go p.host.post(l.Failed(err))
			return
		}
	}
	go func() {
		defer close(announced)
		defer closeAll(fds)
		w, err := p.host.launcher.Start(spec, fds)
		if err != nil {
			p.host.post(l.Failed(err))
			return
		}
		p.host.post(func(o *engine.Owner) {
			p.host.living[w] = true
			l.Started(p.handle(l, w))(o)
		})
	}()
}

// Adopt goes on with a worker that an earlier supd has launched.
func (p *program) Adopt(l engine.Launch, saved *record.Worker, starting bool) engine.Handle {
	announced := make(chan struct{})
	close(announced)
	w := p.host.predecessor.workers[saved]
	p.host.living[w] = true
	w.Adopt(p.spec(l, announced), starting, p.host.predecessor.passed)
	return p.handle(l, w)
}

// Explain gives the launch plan. Any goroutine may call it.
func (p *program) Explain(l engine.Launch) (string, error) {
	return p.host.launcher.Explain(p.spec(l, nil))
}

func (p *program) spec(l engine.Launch, announced <-chan struct{}) launch.Spec {
	return launch.Spec{App: l.App, Process: l.Process, Account: p.account, Log: p.log, Slot: l.Slot, Generation: l.Generation,
		Release: l.Release, Candidate: l.Candidate, InRollout: l.InRollout,
		Address: p.host.sockets.addresses(l.App, l.Process.Sockets), Report: report{p.host.post, l, announced}}
}

func (p *program) handle(l engine.Launch, w *launch.Worker) engine.Handle {
	h := &handle{w, p.host, l}
	return engine.Handle{Record: w.Process, Process: h, Observer: h}
}

// handle is a started worker as the owner knows it: an engine.Process and an
// engine.Observer.
type handle struct {
	*launch.Worker
	host   *host
	launch engine.Launch
}

func (h *handle) Left() { h.host.dead = append(h.host.dead, h.Worker) }

func (h *handle) Smoke(path string) {
	h.Worker.Smoke(path, func(err error) { h.host.post(h.launch.Smoked(err)) })
}

// report hands what happens to a worker to the owner: launch.Report. An answer must
// not overtake the launch, which is waited for.
type report struct {
	post      func(engine.Event)
	launch    engine.Launch
	announced <-chan struct{}
}

func (r report) send(e engine.Event) {
	<-r.announced
	r.post(e)
}

func (r report) Ready(how string)         { r.send(r.launch.Ready(how)) }
func (r report) Ping()                    { r.send(r.launch.Ping()) }
func (r report) Ill(why string)           { r.send(r.launch.Ill(why)) }
func (r report) Checked(err error)        { r.send(r.launch.Checked(err)) }
func (r report) Churned(deaths int)       { r.send(r.launch.Churned(deaths)) }
func (r report) Ended(exit privdrop.Exit) { r.send(r.launch.Ended(exitOfAnother(exit))) }
