package configs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var rolloutKeys = append([]key[Rollout]{
	field("surge", func(r *Rollout) *Surge { return &r.Surge }, surge),
	field("strategy", func(r *Rollout) *Strategy { return &r.Strategy }, strategy),
	field("min_ready", func(r *Rollout) *time.Duration { return &r.MinReady }, duration(0)),
	field("bake", func(r *Rollout) *time.Duration { return &r.Bake }, duration(0)),
	field("smoke", func(r *Rollout) *string { return &r.Smoke }, smoke),
	field("on_failure", func(r *Rollout) *OnFailure { return &r.OnFailure }, one(OnFailureRollback, OnFailurePause)),
	field("max_error_rate", func(r *Rollout) *float64 { return &r.MaxErrorRate }, number(0, 1)),
	field("min_requests", func(r *Rollout) *int { return &r.MinRequests }, count(1)),
	field("unclear", func(r *Rollout) *Unclear { return &r.Unclear }, one(UnclearAccept, UnclearPause)),
}, later[Rollout]("switch", "park", "canary")...)

var strategy = one(StrategySurge, StrategyReplace)

// StrategyOf is that of a process of the app.
func (a *App) StrategyOf(p *Process) Strategy { return cmp.Or(p.Strategy, a.Rollout.Strategy) }

func surge(in input) (Surge, bool) {
	if in.Kind == anInt {
		n, ok := count(1)(in)
		return Surge{Workers: n}, ok
	}
	if in.Kind != aString {
		in.fail(`want a number of workers, or a percentage such as "25%%", got %s`, in.Kind)
		return Surge{}, false
	}
	s := in.Text
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	if !percent || err != nil || n < 1 || n > 100 {
		in.fail(`%q: want a number of workers such as 1, or a percentage from "1%%" to "100%%"`, s)
		return Surge{}, false
	}
	return Surge{Percent: n}, true
}

// smoke reads a path; empty, it takes back that of [defaults.rollout].
func smoke(in input) (string, bool) {
	s, ok := text(in)
	if !ok || s == "" {
		return "", ok
	}
	if s, ok = in.static(s); !ok {
		return "", false
	}
	if !isPath(s) {
		in.fail(`%q: want a path such as "/healthz"; it is asked on a socket of the candidate's own`, s)
		return "", false
	}
	return s, true
}

// checkSmoke wants a process that a candidate can be started of.
func checkSmoke(rollout input, a *App) {
	if a.Rollout.Smoke != "" && !rollout.open() && a.SmokeProcess() == nil {
		rollout.at("smoke").fail(`app %s has no process to start a candidate of: one with sockets that connections come in on, and no socket in its ready or health; give it one, or write smoke = "" in the app's [rollout]`, a.Name)
	}
}

// checkGate wants a process that says what becomes of its requests.
func checkGate(rollout input, a *App) {
	says := func(p Process) bool { return p.Statsd }
	if a.Release == nil { // it has no rollouts to another release
		return
	}
	if a.Rollout.MaxErrorRate > 0 && !slices.ContainsFunc(a.Processes, says) {
		rollout.at("max_error_rate").fail(`app %s has no process with statsd = true, which would say what becomes of its requests; give it one, or write max_error_rate = 0 in the app's [rollout]`, a.Name)
	}
}

// SmokeProcess gives the process that a smoke candidate is started of: the first
// that has sockets which connections come in on and that is not asked through a
// shared one, which its siblings would answer, nor ready when it has ended. First is what waits for fewest
// others in a row (after), then by name. It is nil when there is none.
func (a *App) SmokeProcess() *Process {
	var best *Process
	depths := a.depths()
	for i := range a.Processes {
		p := &a.Processes[i]
		if len(a.streams(p)) == 0 || p.Ready.Exit || p.Ready.Socket != "" || p.Health.Socket != "" {
			continue
		}
		if best == nil || depths[p.Name] < depths[best.Name] {
			best = p
		}
	}
	return best
}

// depths gives, by process, how many others in a row are ready before it starts.
func (a *App) depths() map[string]int {
	after := make(map[string][]string, len(a.Processes))
	for _, p := range a.Processes {
		after[p.Name] = p.After
	}
	depths := map[string]int{}
	var visit func(name string) int
	visit = func(name string) int {
		if n, known := depths[name]; known {
			return n
		}
		deepest := 0
		depths[name] = deepest // ends a cycle, which is an error elsewhere
		for _, other := range after[name] {
			deepest = max(deepest, 1+visit(other))
		}
		depths[name] = deepest
		return deepest
	}
	for name := range after {
		visit(name)
	}
	return depths
}
