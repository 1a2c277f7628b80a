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
	for _, tree := range []string{"1", "2"} {
		put(t, dir, "trees/"+tree+"/d.toml", "# "+tree+"\n")
	}
	must(os.Symlink("1", dir+"/trees/current"))
	switchTo := func(tree string) {
		t.Helper()
		must(os.Symlink(tree, dir+"/trees/next"))
		must(os.Rename(dir+"/trees/next", dir+"/trees/current"))
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
		{"link made", func() { must(os.Symlink(dir+"/trees/current/d.toml", apps+"/d.toml")) }},
		{"its tree switched", func() { switchTo("2") }},
		{"and once more", func() { switchTo("1") }},
		{"file of the tree written", func() { put(t, dir+"/trees/1", "d.toml", "# newer\n") }},
		{"directory made a link, and its tree switched", func() {
			must(os.Rename(apps, dir+"/trees/1/apps"))
			must(os.Symlink("trees/current/apps", apps))
			must(os.Mkdir(dir+"/trees/2/apps", 0o755))
			switchTo("2")
		}},
		{"app made in the other tree", func() { put(t, apps, "e.toml", "# new\n") }},
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

// TestWatchHalfWritten: nothing is told while somebody is still writing a file, however
// long that takes, and all of it afterwards.
func TestWatchHalfWritten(t *testing.T) {
	dir := lay(t, map[string]string{"apps/a.toml": "# old\n"})
	w, err := newWatcher(&Config{Path: filepath.Join(dir, "supd.toml"), Daemon: Daemon{Apps: dir + "/apps"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.notify.Close()
	settles := func(want bool) {
		t.Helper()
		w.rest()
		if got := w.settles(); got != want {
			t.Errorf("a change is told: %v, want %v", got, want)
		}
	}
	settles(false)
	f, err := os.OpenFile(dir+"/apps/a.toml", os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("# half")
	if !isWritten(dir + "/apps/a.toml") {
		t.Skip("this file system grants no leases")
	}
	put(t, dir, "supd.toml", "# new\n")
	settles(false)
	f.WriteString(" and the rest\n")
	settles(false)
	f.Close()
	settles(true)
	settles(false)
	f, err = os.OpenFile(dir+"/apps/a.toml", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("# never closed\n")
	settles(false)
	w.since = time.Now().Add(-mostWriting)
	if !w.settles() {
		t.Error("whoever keeps a file open keeps it from being applied")
	}
}

// TestWatchAmongNoise: what goes on beside the files keeps nobody from hearing of them.
func TestWatchAmongNoise(t *testing.T) {
	dir := lay(t, map[string]string{"apps/a.toml": "# old\n"})
	c := &Config{Path: filepath.Join(dir, "supd.toml"), Daemon: Daemon{Apps: dir + "/apps"}}
	changes := make(chan struct{}, 1000)
	if err := Watch(t.Context(), c, func() { changes <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(quiet / 20):
				_ = os.WriteFile(dir+"/apps/noise", []byte("x"), 0o644)
			}
		}
	}()
	put(t, dir, "apps/a.toml", "# new\n")
	select {
	case <-changes:
	case <-time.After(patience):
		t.Error("nothing was said")
	}
	close(stop)
	<-stopped
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
