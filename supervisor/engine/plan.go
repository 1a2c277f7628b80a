package engine

import (
	"fmt"
	"slices"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

// begin is the event of a rollout that is prepared. why says what is wrong with
// the release; then it ends at once, with nothing changed.
func (o *Owner) begin(a *app, status api.RolloutStatus, target App, why error) *rollout {
	status.ID = a.state.NextID
	if status.ID == 0 {
		status.ID = 1
	}
	status.StartedAt, status.Step = time.Now(), release.StepCheck
	status.StepAt = status.StartedAt
	r := &rollout{app: a, status: status, target: target}
	a.rollout = r
	o.log.Info("rollout", "app", a.name, "id", status.ID, "kind", status.Kind, "from", status.From, "to", status.To, "by", status.By)
	r.say(nil, 0, fmt.Sprintf("%s of %s, %s", status.Kind, status.To, fromWhat(status.From)))
	if why != nil {
		r.status.Reason = why.Error()
		r.say(nil, 0, "failed: "+r.status.Reason)
		o.end(r)
		return r
	}
	o.plan(r)
	first := release.StepReplace
	if a.config.Rollout.Smoke != "" && status.Kind == release.KindDeploy && target.Config.SmokeProcess() != nil {
		first = release.StepSmoke
	}
	o.enter(r, first)
	return r
}

func fromWhat(version string) string {
	if version == "" {
		return "the first release"
	}
	return version + " is active"
}

// plan makes the stages, and the processes that only the new release has.
func (o *Owner) plan(r *rollout) {
	a := r.app
	for i := range r.target.Config.Processes {
		c := &r.target.Config.Processes[i]
		p := a.process(c.Name)
		e := r.target.Revisions[c.Name]
		t := &stage{process: p, to: o.numbered(p, e), config: c, count: len(p.slots), from: p.runs()}
		if p.config == nil {
			p.config = c
			p.added = r
		}
		r.stages = append(r.stages, t)
	}
	for _, p := range a.processes {
		if r.target.Config.Process(p.name) == nil {
			r.stages = append(r.stages, &stage{process: p, from: p.runs(), config: p.config, count: len(p.slots)})
		}
	}
	slices.SortFunc(a.processes, byName)
	a.dependents = nil
	sortStages(r.stages)
}

// sortStages puts each process behind those that it comes after.
func sortStages(stages []*stage) {
	depth := map[string]int{}
	var deep func(t *stage) int
	deep = func(t *stage) int {
		if d, ok := depth[t.process.name]; ok {
			return d
		}
		depth[t.process.name] = 0 // configs refuses circles
		d := 0
		for _, other := range stages {
			if slices.Contains(t.config.After, other.process.name) {
				d = max(d, deep(other)+1)
			}
		}
		depth[t.process.name] = d
		return d
	}
	slices.SortStableFunc(stages, func(a, b *stage) int { return deep(a) - deep(b) })
}

// startStage makes the slots that only the new release has.
func (o *Owner) startStage(r *rollout, t *stage) {
	t.begun = true
	p := t.process
	if p.revision == nil || t.from == nil {
		p.revision = t.to
	}
	up := p.isDesired() || len(p.slots) == 0 && p.autostarts(t.config)
	for n := len(p.slots); n < p.wanted(t.config); n++ {
		p.addSlot(n+1, t.to, up)
	}
	o.touchAll(p.slots)
}
