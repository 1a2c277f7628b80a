package release

import (
	"maps"
	"time"

	"supd/supervisor/measure"
)

// Totals counts the rollouts of an app that have ended, by kind, also those that the
// history does not have any more. It is never changed, but replaced.
type Totals map[Kind]Total

// Total is the rollouts of one kind.
type Total struct {
	Results map[Result]int    `json:"results"`
	Took    measure.Durations `json:"took"`
}

// With counts one more.
func (t Totals) With(k Kind, r Result, took time.Duration) Totals {
	all := maps.Clone(t)
	if all == nil {
		all = Totals{}
	}
	results := maps.Clone(all[k].Results)
	if results == nil {
		results = map[Result]int{}
	}
	results[r]++
	all[k] = Total{results, all[k].Took.With(took)}
	return all
}
