package output

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDirectoryShut: who owns the log's directory lets nobody look at what is in there. The
// search for rotated files comes to its end all the same.
func TestDirectoryShut(t *testing.T) {
	l := newLair(t)
	l.options.Compress = true
	log := open(t, l.path, l.options)
	dir := filepath.Dir(l.path)
	must(t, os.Chmod(dir, 0o600))
	log.tidy()
	_, _ = log.rotateNow()
	_ = log.clear()
	must(t, os.Chmod(dir, 0o755))
	log.write(nil, []byte("a line\n"))
	if text, err := os.ReadFile(l.path); string(text) != "a line\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestLongName: the names of rotated files may be longer than a name can be.
func TestLongName(t *testing.T) {
	for length := 249; length <= 255; length++ {
		path := filepath.Join(t.TempDir(), strings.Repeat("x", length))
		log := open(t, path, Options{MaxSize: 10, Keep: 2, Compress: true, MaxTotal: 1000, UID: -1, GID: -1, Mode: 0o640})
		for i := range 5 {
			hurry(log)
			log.write(nil, fmt.Appendf(nil, "line %3d\n", i))
		}
		log.tidy()
		must(t, log.Close())
	}
}

// TestFloodOfFiles: of the many files that a stranger makes in the directory only some are
// removed at a time.
func TestFloodOfFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	log := open(t, path, Options{MaxSize: 10, Keep: 2, UID: -1, GID: -1, Mode: 0o640})
	const flood = 2 * mostRemoved
	for _, remove := range []func(){log.trimAll, func() { _ = log.clear() }} {
		for n := 1; n <= flood; n++ {
			must(t, os.WriteFile(rotated(path, n), nil, 0o640))
		}
		remove()
		entries, err := os.ReadDir(filepath.Dir(path))
		must(t, err)
		if left := len(entries) - 1; left < flood-mostRemoved-2 || left > flood-mostRemoved+2 {
			t.Errorf("%d are left", left)
		}
		for n := 1; n <= flood; n++ {
			_ = os.Remove(rotated(path, n))
		}
	}
}

// pauses is a file system that does not answer: who uses a log holds its lock.
func pauses(l *Log) (goOn func()) {
	l.mu.Lock()
	return l.mu.Unlock
}

// TestOneDiskWaits: a log that is waited for keeps nobody from the others.
func TestOneDiskWaits(t *testing.T) {
	set, dir := silentFiles(), t.TempDir()
	options := Options{MaxSize: 1000, Keep: 2, UID: -1, GID: -1, Mode: 0o640}
	var all []*Log
	for _, name := range []string{"stuck", "one", "two"} {
		l, err := set.Open(filepath.Join(dir, name), options)
		must(t, err)
		l.hold()
		all = append(all, l)
	}
	goOn := pauses(all[0])
	for _, name := range []string{"one", "two"} {
		must(t, os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+".moved")))
	}
	if err := set.Reopen(); err == nil || !strings.Contains(err.Error(), "stuck: its disk does not answer") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"one", "two"} { // behind the other one they have a moment only, and go on by themselves
		eventually(t, name+" is opened anew", func() bool { return !isMissing(filepath.Join(dir, name)) })
	}
	set.Rest()
	options.Keep = 3
	set.Change(all[0], options)
	options.Keep = 4
	for _, l := range all {
		set.Change(l, options)
	}
	_, err := set.Open(filepath.Join(dir, "three"), options)
	must(t, err)
	goOn()
	for _, l := range all {
		eventually(t, "the last options hold", func() bool { return l.keeps() == 4 })
	}
	must(t, set.Close())
}

// TestChoreWaits: what is to be done with one log keeps nobody from the others, and is done
// once at a time.
func TestChoreWaits(t *testing.T) {
	set, dir := silentFiles(), t.TempDir()
	set.chores.patience = time.Millisecond
	defer set.Close()
	options := Options{MaxSize: 20, Keep: 2, Compress: true, UID: -1, GID: -1, Mode: 0o640}
	stuck, err := set.Open(filepath.Join(dir, "stuck"), options)
	must(t, err)
	busy := func() bool {
		set.chores.mu.Lock()
		defer set.chores.mu.Unlock()
		return stuck.tidying
	}
	eventually(t, "nothing is done with it", func() bool { return !busy() })
	goOn := pauses(stuck)
	set.chores.add(stuck)
	eventually(t, "it waits", busy)
	set.chores.add(stuck)
	other, err := set.Open(filepath.Join(dir, "other"), options)
	must(t, err)
	for range 2 {
		other.write(nil, []byte(twenty))
	}
	eventually(t, "the other is compressed", func() bool { return !isMissing(other.path + ".1.gz") })
	goOn()
	eventually(t, "nothing is done with it", func() bool { return !busy() })
	eventually(t, "all is done", func() bool {
		set.chores.mu.Lock()
		defer set.chores.mu.Unlock()
		return !set.chores.runs && !stuck.due
	})
}
