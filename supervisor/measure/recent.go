package measure

import (
	"maps"
	"time"
)

// Recent counts the failures of the last hour, by five minutes since 1970. It has at
// most thirteen entries, whatever happens, and nothing has to be done as time passes.
type Recent map[int64]int

const (
	recentStep  = 5 * time.Minute
	recentSteps = int64(time.Hour / recentStep)
)

func recentStepOf(at time.Time) int64 { return at.Unix() / int64(recentStep/time.Second) }

// With counts one more, and drops what is older.
func (r Recent) With(now time.Time) Recent {
	all := maps.Clone(r)
	if all == nil {
		all = Recent{}
	}
	maps.DeleteFunc(all, func(step int64, _ int) bool { return !isRecent(step, now) })
	all[recentStepOf(now)]++
	return all
}

// Count is how many there were in the hour before now, and in the rest of the five
// minutes in which that began.
func (r Recent) Count(now time.Time) (n int) {
	for step, in := range r {
		if isRecent(step, now) {
			n += in
		}
	}
	return n
}

// isRecent is false, too, of what was counted before the clock was set back.
func isRecent(step int64, now time.Time) bool {
	at := recentStepOf(now)
	return step <= at && step >= at-recentSteps
}
