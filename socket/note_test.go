package socket

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// leaves is what a supd that was killed leaves of a socket, which a worker may hold.
func leaves(t *testing.T, keep, path string, held bool) (end func()) {
	t.Helper()
	set, err := NewSet(keep)
	must(t, err)
	must(t, apply(set, specs("app/s", "unix:"+path)))
	end = func() {}
	if held {
		fd, err := unix.Dup(set.Get("app/s").Fd())
		must(t, err)
		end = func() { must(t, unix.Close(fd)) }
	}
	must(t, set.Leave())
	return end
}

// next is the set of the supd that comes next.
func next(t *testing.T, keep string, keysAndAddresses ...string) *Set {
	t.Helper()
	set, err := NewSet(keep)
	must(t, err)
	must(t, apply(set, specs(keysAndAddresses...)))
	return set
}

func TestPathThatMovedWhileNoSupdWasThere(t *testing.T) {
	for _, c := range []struct {
		name        string
		held, moved bool
		gone        bool
	}{
		{"moved", false, true, true},
		{"moved, and a worker serves on", true, true, true},
		{"not configured any more", false, false, true},
		{"not configured, and a worker serves on", true, false, false},
	} {
		for _, far := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: ", on another file system"}[far], func(t *testing.T) {
				dir := shortDir(t)
				at := dir + "/run"
				if far {
					at = otherFileSystem(t)
				}
				end := leaves(t, dir+"/keep", at+"/s", c.held)
				var now []string
				if c.moved {
					now = []string{"app/s", "unix:" + dir + "/new"}
				}
				set := next(t, dir+"/keep", now...)
				_, err := os.Lstat(at + "/s")
				if os.IsNotExist(err) != c.gone {
					t.Errorf("gone: %v, want %v", err, c.gone)
				}
				end()
				must(t, apply(set, specs("app/other", "unix:"+dir+"/other")))
				if got := entries(t, at); len(got) != 0 {
					t.Errorf("left in the directory: %q", got)
				}
				if got := entries(t, dir+"/keep"); len(got) != 1 {
					t.Errorf("left in keep: %q", got)
				}
				must(t, set.Close())
				if got, err := os.ReadDir(dir + "/keep"); err != nil || len(got) != 0 {
					t.Errorf("left in keep at the end: %v, %v", got, err)
				}
			})
		}
	}
}

// TestPathOfAnotherByNow: what is there is not the socket, and stays.
func TestPathOfAnotherByNow(t *testing.T) {
	dir := shortDir(t)
	path := dir + "/run/s"
	leaves(t, dir+"/keep", path, false)
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
	defer next(t, dir+"/keep", "app/s", "unix:"+dir+"/new").Close()
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestNotesAreOfWhatIs: through changes and repairs there is one for each socket.
func TestNotesAreOfWhatIs(t *testing.T) {
	set, dir, damages := watched(t)
	notes := func(want ...string) {
		t.Helper()
		found, err := filepath.Glob(dir + "/keep/*" + noteSuffix)
		must(t, err)
		var got []string
		for _, name := range found {
			text, err := os.Readlink(name)
			must(t, err)
			got = append(got, text)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("notes %q, want %q", got, want)
		}
	}
	must(t, apply(set, specs("a/s", "unix:"+dir+"/s", "a/t", "unix:"+dir+"/t", "a/u", "tcp:127.0.0.1:0")))
	notes("a/s:"+dir+"/s", "a/t:"+dir+"/t")
	must(t, apply(set, specs("b/s", "unix:"+dir+"/s"))) // it is kept under another key
	notes("b/s:" + dir + "/s")
	must(t, unix.Shutdown(set.Get("b/s").Fd(), unix.SHUT_RDWR))
	must(t, set.Repair(wantDamage(t, damages, "b/s", ShutDown)))
	notes("b/s:" + dir + "/s")
	must(t, apply(set, nil))
	notes()
}

// TestStagesOfTheKilled: they are removed from the directories of sockets, and none that
// is in use, or not ours.
func TestStagesOfTheKilled(t *testing.T) {
	dir := shortDir(t)
	run := dir + "/run"
	for _, name := range []string{"killed/root/run/whois", "used", "open", "backups", "data/root"} {
		must(t, os.MkdirAll(run+"/"+Private+name, 0o700))
	}
	occupy(t, run+"/"+Private+"killed/root/run/whois/s", unix.SOCK_STREAM, 1)()
	occupy(t, run+"/"+Private+"killed/kept", unix.SOCK_STREAM, 1)()
	// Whoever may rename in a directory gives such names also to what was root's already.
	must(t, os.WriteFile(run+"/"+Private+"backups/kept", nil, 0o600))
	must(t, os.WriteFile(run+"/"+Private+"data/root/file", nil, 0o600))
	must(t, os.Chmod(run+"/"+Private+"open", 0o755))
	user, err := openDirectory(run + "/" + Private + "used")
	must(t, err)
	defer user.close()
	must(t, user.lock())
	set := next(t, dir+"/keep", "app/s", "unix:"+run+"/s")
	defer set.Close()
	if got, want := entries(t, run), []string{Private + "backups", Private + "data", Private + "open", Private + "used", "s"}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
	for _, file := range []string{"backups/kept", "data/root/file"} {
		_, err := os.Stat(run + "/" + Private + file)
		must(t, err)
	}
	must(t, apply(set, specs("app/s", "unix:"+run+"/s", "app/t", "unix:"+run+"/t")))
}

// TestFilledDirectory: whoever fills the directory of a socket sizes no memory and keeps no
// socket from it, also where one was left at the path; that not all was looked at is said.
func TestFilledDirectory(t *testing.T) {
	dir := shortDir(t)
	run := dir + "/run"
	must(t, os.Mkdir(run, 0o755))
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	for i := range mostNames {
		must(t, os.Link(dir+"/file", run+"/"+strconv.Itoa(i)))
	}
	occupy(t, run+"/s", unix.SOCK_STREAM, 1)()
	set, err := NewSet(dir + "/keep")
	must(t, err)
	defer set.Close()
	failed, err := set.Apply(specs("app/s", "unix:"+run+"/s"), false)
	if len(failed) > 0 || !errors.Is(err, ErrLeftover) || !errors.Is(err, files.ErrManyNames) {
		t.Errorf("failed %v, %v", failed, err)
	}
	if _, err := set.Apply(specs("app/s", "unix:"+run+"/s"), false); err != nil {
		t.Errorf("said again: %v", err)
	}
}
