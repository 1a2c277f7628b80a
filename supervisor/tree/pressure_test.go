package tree

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func cgroupOf(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadSpent(t *testing.T) {
	pressure := func(some string) string {
		return "some avg10=0.00 avg60=0.12 avg300=0.00 total=" + some + "\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
	}
	unknown := Spent{Unknown, Unknown, Unknown, Unknown, Unknown, Unknown, Unknown}
	all := Spent{CPUWaiting: 1500 * time.Microsecond, MemoryWaiting: 0, IOWaiting: 3 * time.Second, Throttled: 4 * time.Microsecond, OOMKills: 2, Peak: 1 << 40, Limit: 4096}
	noController := unknown
	noController.CPUWaiting = time.Millisecond
	for name, c := range map[string]struct {
		files map[string]string
		want  Spent
	}{
		"all": {map[string]string{"cpu.pressure": pressure("1500"), "memory.pressure": pressure("0"), "io.pressure": pressure("3000000"),
			"cpu.stat":      "usage_usec 9\nuser_usec 9\nsystem_usec 0\nnr_periods 3\nnr_throttled 1\nthrottled_usec 4\nnr_bursts 0\nburst_usec 0\n",
			"memory.events": "low 0\nhigh 0\nmax 5\noom 3\noom_kill 2\noom_group_kill 1\n", "memory.peak": "1099511627776\n", "memory.max": "4096\n"}, all},
		"no controller": {map[string]string{"cpu.pressure": pressure("1000"), "cpu.stat": "usage_usec 9\nuser_usec 9\nsystem_usec 0\n"}, noController},
		"no limit":      {map[string]string{"memory.max": "max\n"}, unknown},
		"cut":           {map[string]string{"cpu.pressure": "some avg10=0.00", "memory.peak": "", "memory.events": "oom_kill "}, unknown},
		"gone":          {nil, unknown},
	} {
		if got := ReadSpent(cgroupOf(t, c.files)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
