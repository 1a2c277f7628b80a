package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"supd/supervisor/api"
)

// reading is the value of a check, and what makes it up.
type reading struct {
	value float64
	most  int // that it can be; 0: it is no number of things
	items []item
}

// item is one thing that a check looks at. Those of a number of things each count as all
// of them: no single one is the reason of an alert.
type item struct {
	value float64
	text  string
}

func (r *reading) count(format string, args ...any) {
	r.value++
	r.items = append(r.items, item{text: fmt.Sprintf(format, args...)})
	for i := range r.items {
		r.items[i].value = r.value
	}
}

// highest takes one more value; the reading is the highest.
func (r *reading) highest(value float64, format string, args ...any) {
	r.value = max(r.value, value)
	r.items = append(r.items, item{value, fmt.Sprintf(format, args...)})
}

// check is one of those that check-health makes.
type check struct {
	name, unit string
	warn, crit string // by default; "": it never alerts
	about      string
	read       func(*api.Figures) reading
}

// checks are all of them, in the order of their importance.
var checks = []check{
	{"failed", "", "", "0", "workers that are FAILED, and apps that cannot run their release", readFailed},
	{"down", "", "", "0", "processes of which workers are wished for, and none is ready", readDown},
	{"not_ready", "", "0", "", "workers that are wished for, and not ready", readNotReady},
	{"queue", "%", "50", "90", "how full the fullest accept queue is", readQueues},
	{"memory", "%", "80", "95", "what the largest worker takes of its memory limit, or of the machine's memory", readMemory},
	{"restarts", "", "3", "10", "failures in the last hour of the worker that has most", readRestarts},
	{"paused", "s", "900", "14400", "for how long a rollout has been waiting for a person", readPaused},
}

func readFailed(f *api.Figures) (r reading) {
	for _, a := range f.Apps {
		r.most++
		if a.Note != "" {
			r.count("%s: %s", a.Name, a.Note)
		}
	}
	for w := range figuresOf(f) {
		r.most++
		if w.State == api.Failed {
			r.count("%s is %s", w.Name, w.State)
		}
	}
	return r
}

func readDown(f *api.Figures) (r reading) {
	for _, a := range f.Apps {
		for _, p := range a.Processes {
			r.most++
			ready := func(w api.WorkerFigures) bool { return w.Ready }
			missed := func(w api.WorkerFigures) bool { return w.Missed }
			if slices.ContainsFunc(p.Workers, missed) && !slices.ContainsFunc(p.Workers, ready) {
				r.count("%s/%s has no ready worker", a.Name, p.Name)
			}
		}
	}
	return r
}

func readNotReady(f *api.Figures) (r reading) {
	for w := range figuresOf(f) {
		r.most++
		if w.Missed {
			r.count("%s is %s", w.Name, w.State)
		}
	}
	return r
}

func readQueues(f *api.Figures) (r reading) {
	for _, a := range f.Apps {
		for _, s := range a.Sockets {
			full := 100 * s.Share()
			r.highest(full, "accept queue of %s/%s is %s%% full (%d of %d)", a.Name, s.Name, short(full), s.Length, s.Limit)
		}
	}
	return r
}

func readMemory(f *api.Figures) (r reading) {
	for w := range figuresOf(f) {
		share, of := 100*w.MemoryShare(f.MemoryBytes), "the machine's memory"
		if w.LimitBytes > 0 {
			of = "its memory limit"
		}
		r.highest(share, "%s takes %s%% of %s", w.Name, short(share), of)
	}
	return r
}

func readRestarts(f *api.Figures) (r reading) {
	for w := range figuresOf(f) {
		times := "times"
		if w.RestartsLastHour == 1 {
			times = "time"
		}
		r.highest(float64(w.RestartsLastHour), "%s has failed %d %s in the last hour", w.Name, w.RestartsLastHour, times)
	}
	return r
}

func readPaused(f *api.Figures) (r reading) {
	for _, a := range f.Apps {
		if a.Paused != nil {
			age := max(0, f.At.Sub(a.Paused.Since)).Truncate(time.Second)
			r.highest(age.Seconds(), "%s of %s to %s is paused since %s: %s", a.Paused.Kind, a.Name, a.Paused.To, coarse(age), a.Paused.Reason)
		}
	}
	return r
}

// worst puts what is worst first.
func (r *reading) worst() []item {
	slices.SortStableFunc(r.items, func(a, b item) int { return cmp.Compare(b.value, a.value) })
	return r.items
}
