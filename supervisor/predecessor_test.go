package supervisor

import (
	"log/slog"
	"testing"

	"supd/configs"
	"supd/supervisor/launch"
	"supd/supervisor/measure"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// TestRestartBehindTheRecord: what was launched again after the last record was written
// counts, so that no counter goes back when supd is killed.
func TestRestartBehindTheRecord(t *testing.T) {
	died := record.Slot{App: "a", Process: "web", Number: 1, SlotState: record.SlotState{Up: true, Generation: 1, Tally: measure.Tally{Cause: measure.Signaled}}}
	stopped := died
	stopped.Up = false
	lives := died
	lives.Workers = []record.Worker{{WorkerState: record.WorkerState{Generation: 1}}}
	for name, c := range map[string]struct {
		recorded   []record.Slot
		generation int
		want       int
	}{
		"its death is recorded": {[]record.Slot{died}, 2, 1},
		"the same launch":       {[]record.Slot{died}, 1, 0},
		"beside a living one":   {[]record.Slot{lives}, 2, 0},
		"it was stopped":        {[]record.Slot{stopped}, 2, 0},
		"the first":             {nil, 1, 0},
	} {
		p := &predecessor{slots: c.recorded}
		p.add(configs.LaunchName("a", "web", 1, c.generation), launch.Note{}, tree.Launched{}, slog.New(slog.DiscardHandler))
		s := p.slots[0]
		if s.Restarts != c.want || s.RestartsBy[measure.Signaled] != c.want || len(s.Recent) != c.want {
			t.Errorf("%s: %+v", name, s.SlotState)
		}
	}
}
