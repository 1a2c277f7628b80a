package release

import (
	"testing"
	"time"
)

// TestBack: a plain rollback goes to the previous release, or to the one that was active
// last, and never to what has failed or was left.
func TestBack(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	deployed := map[string]time.Time{"1.2": at(2), "1.3": at(3), "1.4": at(4), "1.5": at(5)}
	for _, test := range []struct {
		name             string
		active, previous string
		marked, gone     []string
		want             string
	}{
		{"previous", "1.5", "1.4", nil, nil, "1.4"},
		{"previous, which is not the newest", "1.5", "1.2", nil, nil, "1.2"},
		{"left by a rollback", "1.4", "1.5", []string{"1.5"}, nil, "1.3"},
		{"two of them", "1.3", "1.4", []string{"1.4", "1.5"}, nil, "1.2"},
		{"all of them", "1.2", "", []string{"1.3", "1.4", "1.5"}, nil, ""},
		{"gone", "1.5", "1.4", nil, []string{"1.4"}, "1.4"},
		{"gone after one that was left", "1.4", "1.5", []string{"1.5"}, []string{"1.3"}, "1.2"},
		{"nothing known", "1.4", "1.5", []string{"1.5"}, []string{"1.2", "1.3"}, ""},
		{"nothing active", "", "", nil, nil, "1.5"},
	} {
		s := State{Active: test.active, Previous: test.previous, Deployed: deployed, Failed: map[string]Mark{}}
		known := map[string]bool{"1.2": true, "1.3": true, "1.4": true, "1.5": true}
		for _, version := range test.marked {
			s.Failed[version] = Mark{Left: true}
		}
		for _, version := range test.gone {
			known[version] = false
		}
		if got := s.Back(func(version string) bool { return known[version] }); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
