package engine

import (
	"fmt"
	"time"

	"supd/configs"
	"supd/supervisor/release"
)

// gateInterval is how often the requests to a new release are looked at.
const gateInterval = time.Second

// requests are those that workers have answered, and those of them that have failed.
type requests struct{ all, failed int64 }

func (n requests) plus(all, failed int64) requests { return requests{n.all + all, n.failed + failed} }

// rate is the share that has failed.
func (n requests) rate() float64 { return float64(n.failed) / float64(max(n.all, 1)) }

// isGated reports whether the requests to the new release decide as well. On the way
// back they do not, and there is nowhere to go back to from a first release.
func (r *rollout) isGated() bool {
	return r.app.config.Rollout.MaxErrorRate > 0 && r.status.Kind == release.KindDeploy && r.status.From != ""
}

// answered are the requests to the new release, from its first worker of this rollout
// on. One of those that has ended has failed, and the rollout with it.
func (r *rollout) answered() (n requests) {
	for _, t := range r.stages {
		for _, s := range t.process.slots {
			for _, w := range s.workers {
				if t.to != nil && w.revision == t.to && w.observer != nil {
					n = n.plus(w.observer.Requests())
				}
			}
		}
	}
	return n
}

// passes looks at the requests to the new release, now and once more in a while, and
// reports whether they say nothing against it.
func (o *Owner) passes(r *rollout, now time.Time) bool {
	if !r.isGated() {
		return true
	}
	c, n := r.app.config.Rollout, r.answered()
	if n.all >= int64(c.MinRequests) && n.rate() > c.MaxErrorRate {
		o.fault(r, nil, fmt.Sprintf("%d of %d requests to %s have failed with 5xx: %s, more than %s", n.failed, n.all, r.status.To, percent(n.rate()), percent(c.MaxErrorRate)))
		return false
	}
	o.wakeRollout(r, now.Add(gateInterval))
	return true
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

// isClear reports whether enough requests have come to say that the new release is
// good, and says so. If they are too few, the configuration says what then.
func (o *Owner) isClear(r *rollout) bool {
	if !r.isGated() {
		return true
	}
	c, n := r.app.config.Rollout, r.answered()
	if n.all >= int64(c.MinRequests) {
		r.say(nil, 0, fmt.Sprintf("%d of %d requests have failed: %s", n.failed, n.all, percent(n.rate())))
		return true
	}
	few := fmt.Sprintf("too few requests to tell whether %s is good: %d of %d", r.status.To, n.all, c.MinRequests)
	if n.all == 0 {
		few += "; no worker says anything of requests, do they send to {statsd}?"
	}
	accepted := c.Unclear == configs.UnclearAccept || r.accepted
	o.log.Warn("rollout is unclear", "app", r.app.name, "id", r.status.ID, "to", r.status.To, "why", few, "accepted", accepted)
	if accepted {
		r.say(nil, 0, few+"; it is accepted")
		return true
	}
	r.status.Reason = few
	o.pause(r)
	return false
}
