package configs

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const patience = 20 * time.Second

// TestWatch changes the files in the ways that editors and package managers do,
// and waits for the word.
func TestWatch(t *testing.T) {
	dir := lay(t, map[string]string{"apps/a.toml": "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n"})
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan struct{}, 100)
	if err := Watch(t.Context(), c, func() { changes <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	apps := filepath.Join(dir, "apps")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name   string
		change func()
	}{
		{"supd.toml written", func() { put(t, dir, "supd.toml", "# new\n") }},
		{"app written", func() { put(t, apps, "a.toml", "# new\n") }},
		{"app made", func() { put(t, apps, "b.toml", "# new\n") }},
		{"app replaced", func() { put(t, apps, ".b.toml.new", "# new"); must(os.Rename(apps+"/.b.toml.new", apps+"/b.toml")) }},
		{"app replaced again", func() { put(t, apps, "b.toml~", "# new"); must(os.Rename(apps+"/b.toml~", apps+"/b.toml")) }},
		{"app removed", func() { must(os.Remove(apps + "/b.toml")) }},
		{"directory away", func() { must(os.Rename(apps, dir+"/old")) }},
		{"directory back", func() { must(os.Rename(dir+"/old", apps)) }},
		{"app made there", func() { put(t, apps, "c.toml", "# new\n") }},
	}
	for _, step := range steps {
		step.change()
		select {
		case <-changes:
		case <-time.After(patience):
			t.Fatalf("%s: nothing was said", step.name)
		}
	}
}

// TestWatchDebounce: many changes are one, and what is no app file is none.
func TestWatchDebounce(t *testing.T) {
	dir := lay(t, nil)
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan struct{}, 1000)
	if err := Watch(t.Context(), c, func() { changes <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	const writes = 200
	for range writes {
		put(t, dir, "apps/a.toml", "# one of many\n")
		put(t, dir, "apps/a.toml.swp", "an editor's\n")
		put(t, dir, "other.toml", "somebody's\n")
	}
	select {
	case <-changes:
	case <-time.After(patience):
		t.Fatal("nothing was said")
	}
	if n := 1 + len(changes); n > writes/4 {
		t.Errorf("%d changes said for %d that came one after the other", n, writes)
	}
}

func TestWatchEnds(t *testing.T) {
	dir := lay(t, nil)
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	before := inotifies(t)
	if err := Watch(ctx, c, func() {}); err != nil {
		t.Fatal(err)
	}
	if inotifies(t) != before+1 {
		t.Fatal("no watch is there")
	}
	cancel()
	for deadline := time.Now().Add(patience); inotifies(t) > before; {
		if time.Now().After(deadline) {
			t.Fatal("the watch is still there")
		}
	}
	c.Daemon.Apps = filepath.Join(dir, "none")
	if err := Watch(t.Context(), c, func() {}); err == nil {
		t.Error("a directory that is not there is watched")
	}
}

// inotifies counts this process's inotify descriptors.
func inotifies(t *testing.T) int {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range fds {
		if link, _ := os.Readlink(fd); link == "anon_inode:inotify" {
			n++
		}
	}
	return n
}
