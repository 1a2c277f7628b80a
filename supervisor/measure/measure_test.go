package measure

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurations(t *testing.T) {
	var d Durations
	before := d
	for _, took := range []time.Duration{-time.Second, 0, time.Second, time.Second + 1, 2 * time.Second, 240 * time.Hour} {
		before, d = d, d.With(took)
	}
	want := map[int]int64{firstBucket: 2, 0: 1, 1: 1, PerDoubling: 1, lastBucket: 1}
	if diff := cmp.Diff(want, d.Buckets); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	if d.Count() != 6 || d.Sum != 240*time.Hour+4*time.Second+1 {
		t.Errorf("count %d, sum %s", d.Count(), d.Sum)
	}
	if before.Count() != 5 {
		t.Error("what was handed out before has changed")
	}
}

func TestRelaunched(t *testing.T) {
	var tally Tally
	tally.Relaunched(noon)
	before := tally.RestartsBy
	tally.Cause = Signaled
	tally.Relaunched(noon)
	if diff := cmp.Diff(map[Reason]int{Requested: 1, Signaled: 1}, tally.RestartsBy); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(before) != 1 {
		t.Error("what was handed out before has changed")
	}
	if n := tally.Recent.Count(noon); n != 1 {
		t.Errorf("%d after a failure", n)
	}
}

var noon = time.Unix(1_800_000_000, 0) // a multiple of five minutes

func TestRecent(t *testing.T) {
	var r Recent
	for range 3 {
		r = r.With(noon)
	}
	before := r
	r = r.With(noon.Add(59 * time.Minute))
	for after, want := range map[time.Duration]int{-time.Second: 0, 0: 3, 59 * time.Minute: 4, time.Hour: 4, 65*time.Minute - 1: 4, 65 * time.Minute: 1, 3 * time.Hour: 0} {
		if got := r.Count(noon.Add(after)); got != want {
			t.Errorf("%d after %s, want %d", got, after, want)
		}
	}
	if len(before) != 1 {
		t.Error("what was handed out before has changed")
	}
	for minute := range 600 {
		r = r.With(noon.Add(time.Duration(minute) * time.Minute))
	}
	if len(r) != 13 {
		t.Errorf("%d entries", len(r))
	}
	if r = r.With(noon.Add(-time.Hour)); len(r) != 1 {
		t.Errorf("%d entries after the clock was set back", len(r))
	}
}
