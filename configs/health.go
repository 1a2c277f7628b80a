package configs

import (
	"strings"
	"time"
)

// healthKinds exclude each other.
var healthKinds = []string{"http", "tcp", "exec", "file"}

var healthKeys = append(questionKeys(
	func(h *Health) *string { return &h.HTTP },
	func(h *Health) *string { return &h.TCP },
	func(h *Health) *[]string { return &h.Exec },
	func(h *Health) *string { return &h.Socket },
	func(h *Health) *string { return &h.File },
	func(h *Health) *time.Duration { return &h.MaxAge },
),
	field("interval", func(h *Health) *time.Duration { return &h.Interval }, duration(positive)),
	field("timeout", func(h *Health) *time.Duration { return &h.Timeout }, duration(positive)),
	field("failures", func(h *Health) *int { return &h.Failures }, count(1)),
	field("children", func(h *Health) *int { return &h.Children }, count(0)),
)

// readHealth reads the table. A question that no file gives a time has no more of it than
// there is up to the next one.
func readHealth(in input, p *Process) {
	readTable(in, healthKeys, &p.Health)
	if h := &p.Health; in.child("timeout").unstated() && h.Interval > 0 {
		h.Timeout = min(h.Timeout, h.Interval)
	}
}

func checkHealth(health input, app *App, p *Process) {
	h := p.Health
	kinds := health.kinds(healthKinds)
	if exclude(health, kinds) {
		return
	}
	if p.Ready.Exit {
		for _, kind := range kinds {
			if health.statesHere(kind) {
				health.at(kind).fail("asks workers that are ready, and one with ready = { exit = true } has ended then; remove it")
			}
		}
		return
	}
	if h.Timeout > h.Interval && h.Interval > 0 && health.settled("interval", "timeout") {
		health.written("timeout", "interval").fail("timeout %s is longer than interval %s; set a shorter timeout", h.Timeout, h.Interval)
	}
	if health.settled(kinds...) {
		checkQuestion(health, h.Question(), app, p)
	}
	if len(kinds) == 0 && health.version == nil { // a release may put the question, the next one may not
		health.checkIdle()
	}
}

// checkIdle refuses settings of a question that nobody has put; [defaults.process]
// may have them for those who put one.
func (in input) checkIdle() {
	for _, name := range []string{"interval", "timeout", "failures"} {
		if in.statesHere(name) {
			in.at(name).fail("does nothing without http, tcp, exec or file; add one, or remove it")
		}
	}
}

// statesHere reports whether a file says a key below, and not for all processes.
func (in input) statesHere(name string) bool {
	at := in.Table[name]
	return at != nil && at.Place.File != "" && !strings.HasPrefix(at.Place.Key, "defaults.")
}
