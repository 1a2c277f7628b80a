package tree

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// TestEnableControllers: those that metrics read, as far as the cgroup has them itself.
func TestEnableControllers(t *testing.T) {
	for _, c := range []struct{ has, want string }{
		{"cpuset cpu\n", "+cpu"},
		{"hugetlb memory pids\n", "+memory"},
		{"pids\n", ""},
	} {
		dir := cgroupOf(t, map[string]string{"cgroup.controllers": c.has, "cgroup.subtree_control": ""})
		enableControllers(dir)
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		if err != nil || string(text) != c.want {
			t.Errorf("of %q: %q, %v", c.has, text, err)
		}
	}
	enableControllers(t.TempDir()) // no cgroup
}

// TestAboveSubgroup: the name and the mark of the delegation both count.
func TestAboveSubgroup(t *testing.T) {
	unit := t.TempDir()
	if got := aboveSubgroup(filepath.Join(unit, subgroup)); got != "" {
		t.Errorf("%s was not delegated", got)
	}
	if err := unix.Setxattr(unit, "user.delegate", []byte("1"), 0); err != nil {
		t.Skip("no extended attributes here: ", err)
	}
	if got := aboveSubgroup(filepath.Join(unit, subgroup)); got != unit {
		t.Errorf("%q, want %s", got, unit)
	}
	if got := aboveSubgroup(filepath.Join(unit, "app.slice")); got != "" {
		t.Errorf("%s is somebody else's", got)
	}
}
