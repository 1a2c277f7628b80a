package output

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

var stranger = &files.Account{UID: 54321, GID: 54322}

// lair is a directory of the app's user with the log in one below it, and one of root's
// beside it with files of the same names.
type lair struct {
	dir, path string
	options   Options
}

func newLair(t *testing.T) *lair {
	t.Helper()
	needRoot(t)
	l := &lair{dir: t.TempDir()}
	l.path = l.dir + "/app/log/web"
	l.options = Options{MaxSize: 100, Keep: 3, UID: -1, GID: stranger.GID, Mode: 0o640, As: stranger}
	must(t, os.Chmod(filepath.Dir(l.dir), 0o755))
	must(t, os.Chmod(l.dir, 0o755))
	must(t, os.MkdirAll(l.dir+"/app/log", 0o755))
	for _, dir := range []string{"/app", "/app/log"} {
		must(t, os.Chown(l.dir+dir, stranger.UID, stranger.GID))
	}
	must(t, os.Mkdir(l.dir+"/root", 0o755))
	return l
}

// swap lets the log's directory lead to root's.
func (l *lair) swap(t *testing.T) {
	t.Helper()
	must(t, os.Rename(l.dir+"/app/log", l.dir+"/app/log.old"))
	must(t, os.Symlink(l.dir+"/root", l.dir+"/app/log"))
}

// untouched checks that root's directory is as it was.
func (l *lair) untouched(t *testing.T, want string) {
	t.Helper()
	entries, err := os.ReadDir(l.dir + "/root")
	must(t, err)
	got := ""
	for _, e := range entries {
		text, err := os.ReadFile(l.dir + "/root/" + e.Name())
		must(t, err)
		got += e.Name() + "=" + string(text) + " "
	}
	if got != want {
		t.Errorf("root's directory has %q, want %q", got, want)
	}
}

// TestLogOfTheApps: below a directory of the app's the log is made with its rights, and
// rotated and read with them.
func TestLogOfTheApps(t *testing.T) {
	l := newLair(t)
	log := open(t, l.path, l.options)
	log.write(nil, bytes.Repeat([]byte("a line of twenty by\n"), 12))
	if _, all := read(t, l.path); len(all) != 3 || len(all[0])+len(all[1])+len(all[2]) != 240 {
		t.Errorf("%q", all)
	}
	for _, path := range []string{l.path, l.path + ".2"} {
		info, err := os.Stat(path)
		must(t, err)
		st := info.Sys().(*syscall.Stat_t)
		if int(st.Uid) != stranger.UID || int(st.Gid) != stranger.GID || info.Mode() != 0o640 {
			t.Errorf("%s: %v of %d and %d", path, info.Mode(), st.Uid, st.Gid)
		}
	}
	must(t, os.Remove(l.path))
	must(t, os.WriteFile(l.path, []byte("of an earlier supd\n"), 0o640)) // root's
	must(t, log.Reopen())
	log.write(nil, []byte("new\n"))
	if got, all := read(t, l.path); !strings.HasSuffix(got, "of an earlier supd\nnew\n") || len(all) != 4 {
		t.Errorf("%d files: %q", len(all), got)
	}
}

// TestDirectorySwapped: wherever the app's user lets the log's directory lead, root
// writes, makes, renames and removes nothing there, and shows nothing.
func TestDirectorySwapped(t *testing.T) {
	swaps := map[string]func(*lair, *testing.T) *Log{
		"before the start": func(l *lair, t *testing.T) *Log {
			l.swap(t)
			if log, err := Open(l.path, l.options); err == nil {
				t.Errorf("%s was opened", log.file.Name())
			}
			return silentFiles().OpenLater(l.path, l.options)
		},
		"while it runs": func(l *lair, t *testing.T) *Log {
			log := open(t, l.path, l.options)
			l.swap(t)
			return log
		},
	}
	for name, swapped := range swaps {
		for _, there := range []string{"", "web", "web web.1"} {
			t.Run(name+" "+there, func(t *testing.T) {
				l := newLair(t)
				want := ""
				for _, file := range strings.Fields(there) {
					must(t, os.WriteFile(l.dir+"/root/"+file, []byte("secret"), 0o600))
					want += file + "=secret "
				}
				log := swapped(l, t)
				for range 12 { // and is rotated
					hurry(log)
					log.write(nil, []byte("a line of twenty by\n"))
				}
				_ = log.Reopen()
				must(t, log.Close())
				l.untouched(t, want)
			})
		}
	}
}

// TestShiftStaysInItsDirectory: what rotation finds at the path is that of a directory
// which was walked to, whatever the path leads to then.
func TestShiftStaysInItsDirectory(t *testing.T) {
	l := newLair(t)
	must(t, os.WriteFile(l.path, []byte("old"), 0o640))
	must(t, os.WriteFile(l.dir+"/root/web", []byte("secret"), 0o600))
	must(t, l.options.way().In(filepath.Dir(l.path), func(in files.Place) error {
		l.swap(t)
		return shift(in, "web", 3)
	}))
	l.untouched(t, "web=secret ")
	if text, err := os.ReadFile(l.dir + "/app/log.old/web.1"); string(text) != "old" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestViewSwapped: `supctl logs` shows nothing that the app itself could not read.
func TestViewSwapped(t *testing.T) {
	l := newLair(t)
	set := silentFiles()
	_, err := set.Open(l.path, l.options)
	must(t, err)
	t.Cleanup(func() { set.Close() })
	must(t, os.WriteFile(l.path, []byte("own"), 0o640))
	file, err := set.View(l.path, 0)
	must(t, err)
	file.Close()
	for _, name := range []string{"web", "web.1"} {
		must(t, os.WriteFile(l.dir+"/root/"+name, []byte("secret"), 0o600))
	}
	must(t, os.WriteFile(l.dir+"/root/bare", []byte("secret"), 0o644))
	l.swap(t)
	for _, path := range []string{l.path, l.dir + "/app/log/bare"} { // bare is no log that is open
		for n := range 2 {
			if _, err := set.View(path, n); err == nil {
				t.Errorf("%s is shown", rotated(path, n))
			}
		}
	}
}

// TestCheckOfTheApps: a check says of a directory of the app's what the start says.
func TestCheckOfTheApps(t *testing.T) {
	l := newLair(t)
	must(t, os.Symlink(l.dir+"/root", l.dir+"/app/link"))
	must(t, os.WriteFile(l.dir+"/app/roots", nil, 0o600))
	rootless := l.options
	rootless.As = nil
	for _, test := range []struct {
		path string
		o    Options
		want string
	}{
		{"/app/log/web", l.options, ""},
		{"/app/roots", l.options, ""},
		{"/app/new/web", l.options, ""},
		{"/app/link/web", l.options, "permission denied (with the rights of uid 54321, for "},
		{"/app/link/new/web", l.options, "permission denied (with the rights of uid 54321, for "},
		{"/app/log/web", rootless, "/app belongs to uid 54321, and not to root"},
		{"/root/web", rootless, ""},
	} {
		check := Check(l.dir+test.path, test.o)
		log, opened := Open(l.dir+test.path, test.o)
		if opened == nil {
			log.Close()
		}
		for _, err := range []error{check, opened} {
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.path, err, test.want)
			}
		}
	}
	var st unix.Stat_t
	must(t, unix.Stat(l.dir+"/app/new", &st))
	if int(st.Uid) != stranger.UID || st.Mode&0o7777 != 0o750 {
		t.Errorf("a new directory has mode %o and uid %d", st.Mode, st.Uid)
	}
}
