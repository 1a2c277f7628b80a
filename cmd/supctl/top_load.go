package main

import (
	"slices"

	"supd/supervisor/api"
)

// load is what a row of top shows: a worker, or an app.
type load struct {
	name           string
	state          api.State
	release        string
	ready, desired int     // workers, without those that have done their work
	memory         int64   // bytes
	fullness       float64 // of the memory that it may take: the worker's that has the highest share
	fds            int
	fdsUsed        float64 // likewise
	restarts       int
	lastHour       int                // of them
	queue          *api.SocketFigures // the fullest; nil: none

	rates
}

// rates are known from the second look on, and negative before that and where the
// application says nothing.
type rates struct {
	cpu      float64 // CPUs in use
	requests float64 // a second
	errors   float64 // share of 5xx among them
}

// loadsOf gives a row for each worker, or for each app, in the order of the figures.
func loadsOf(now, before *api.Figures, apps bool) (all []load) {
	past := pastOf(now, before)
	for i := range now.Apps {
		a := &now.Apps[i]
		var workers []load
		sum := tally{}
		for k := range a.Processes {
			p := &a.Processes[k]
			queue := fullest(a.Sockets, func(s api.SocketFigures) bool { return slices.Contains(p.Sockets, s.Name) })
			for n := range p.Workers {
				w := &p.Workers[n]
				since := past.since(w)
				sum.add(since)
				workers = append(workers, loadOf(w, now.MemoryBytes, queue, since.rates(past.seconds)))
			}
		}
		if !apps {
			all = append(all, workers...)
			continue
		}
		all = append(all, total(a, workers, sum.rates(past.seconds)))
	}
	return all
}

func loadOf(w *api.WorkerFigures, machine int64, queue *api.SocketFigures, r rates) load {
	return load{name: w.Name, state: w.State, release: w.Release, ready: one(w.Ready), desired: one(w.Ready || w.Missed),
		memory: w.Memory(), fullness: w.MemoryShare(machine), fds: w.OpenFDs, fdsUsed: w.FDsUsedRatio,
		restarts: w.Restarts, lastHour: w.RestartsLastHour, queue: queue, rates: r}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// total is the row of an app.
func total(a *api.AppFigures, workers []load, r rates) load {
	all := load{name: a.Name, state: a.State, release: a.Release, rates: r,
		queue: fullest(a.Sockets, func(api.SocketFigures) bool { return true })}
	for _, w := range workers {
		all.ready, all.desired = all.ready+w.ready, all.desired+w.desired
		all.memory, all.fullness = all.memory+w.memory, max(all.fullness, w.fullness)
		all.fds, all.fdsUsed = all.fds+w.fds, max(all.fdsUsed, w.fdsUsed)
		all.restarts, all.lastHour = all.restarts+w.restarts, all.lastHour+w.lastHour
	}
	return all
}

func fullest(sockets []api.SocketFigures, counts func(api.SocketFigures) bool) (best *api.SocketFigures) {
	for i, s := range sockets {
		if counts(s) && (best == nil || s.Share() > best.Share()) {
			best = &sockets[i]
		}
	}
	return best
}

// past is what was seen before, by worker.
type past struct {
	seconds float64 // 0: nothing was
	workers map[string]*api.WorkerFigures
}

func pastOf(now, before *api.Figures) past {
	if before == nil || !now.At.After(before.At) {
		return past{}
	}
	p := past{now.At.Sub(before.At).Seconds(), map[string]*api.WorkerFigures{}}
	for w := range figuresOf(before) {
		p.workers[w.Name] = w
	}
	return p
}

// figuresOf ranges over all workers.
func figuresOf(f *api.Figures) func(func(*api.WorkerFigures) bool) {
	return func(yield func(*api.WorkerFigures) bool) {
		for i := range f.Apps {
			for k := range f.Apps[i].Processes {
				workers := f.Apps[i].Processes[k].Workers
				for n := range workers {
					if !yield(&workers[n]) {
						return
					}
				}
			}
		}
	}
}

// tally is what was used and answered between two looks.
type tally struct {
	known, says   bool
	cpu           float64 // seconds
	total, errors int64
}

// since is what a worker has used since it was seen before. A supd that was killed may
// know a little less than it has said.
func (p past) since(w *api.WorkerFigures) tally {
	was := p.workers[w.Name]
	if was == nil {
		return tally{}
	}
	t := tally{known: true, cpu: max(0, w.CPUSeconds-was.CPUSeconds)}
	if w.Requests != nil && was.Requests != nil {
		t.says, t.total, t.errors = true, max(0, w.Requests.Total-was.Requests.Total), max(0, w.Requests.Errors-was.Requests.Errors)
	}
	return t
}

func (t *tally) add(u tally) {
	t.known, t.says = t.known || u.known, t.says || u.says
	t.cpu, t.total, t.errors = t.cpu+u.cpu, t.total+u.total, t.errors+u.errors
}

func (t tally) rates(seconds float64) rates {
	r := rates{-1, -1, -1}
	if t.known {
		r.cpu = t.cpu / seconds
	}
	if t.says {
		r.requests = float64(t.total) / seconds
	}
	if t.total > 0 {
		r.errors = float64(t.errors) / float64(t.total)
	}
	return r
}
