package output

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// names lists the files of a log, hidden ones as well.
func names(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

const twenty = "a line of twenty by\n"

// TestCompressed: rotated files are compressed by and by, and each line is there once.
func TestCompressed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	set := silentFiles()
	l, err := set.Open(path, Options{MaxSize: 32 << 10, Keep: 1000, Compress: true, UID: -1, GID: -1, Mode: 0o640})
	must(t, err)
	defer set.Close()
	c, w := start(t, l, nil)
	want := randomLines(rand.New(rand.NewPCG(1, 2)), 5000)
	if _, err := io.WriteString(w, want); err != nil {
		t.Fatal(err)
	}
	w.Close()
	wait(t, c)
	eventually(t, "all is compressed", func() bool {
		plain, _ := filepath.Glob(path + ".*[0-9]")
		return len(plain) == 0
	})
	got, all := read(t, path)
	if got != want || len(all) < 20 {
		t.Errorf("%d bytes of %d, in %d files", len(got), len(want), len(all))
	}
	for n := range all {
		text, err := set.View(path, n)
		must(t, err)
		if b, err := io.ReadAll(text); err != nil || string(b) != all[len(all)-1-n] {
			t.Errorf("file %d is shown with %d bytes, %v", n, len(b), err)
		}
		text.Close()
	}
}

// TestCompressedKeepsWhatItWas: owner, mode and time of a compressed file, and what its
// text was known by.
func TestCompressedKeepsWhatItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	o := Options{Keep: 3, Compress: true, UID: -1, GID: -1, Mode: 0o640}
	if os.Geteuid() == 0 {
		o.GID = 65534
	}
	l := open(t, path, o)
	l.write(nil, []byte(twenty))
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	before := Identity(file)
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	must(t, os.Chtimes(path, old, old))
	_, err = l.rotateNow()
	must(t, err)
	l.tidy()
	info, err := os.Stat(path + ".1.gz")
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); info.Mode() != 0o640 || !info.ModTime().Equal(old) || o.GID >= 0 && int(st.Gid) != o.GID {
		t.Errorf("%v of group %d, %v", info.Mode(), st.Gid, info.ModTime())
	}
	text, err := silentFiles().View(path, 1)
	must(t, err)
	defer text.Close()
	if after, err := text.Stat(); Identity(text) != before || err != nil || after.Size() != int64(len(twenty)) {
		t.Errorf("identity %d, want %d; %v, %v", Identity(text), before, after, err)
	}
}

// TestShiftOfBothForms: compressed files are rotated on, and the oldest goes in either form.
func TestShiftOfBothForms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{MaxSize: 20, Keep: 3, Compress: true})
	l.write(nil, []byte("0 ........ twenty\n"))
	for i, tidied := range []bool{true, false, true, false, false, true} {
		l.write(nil, []byte(string(rune('1'+i))+" ........ twenty\n"))
		if tidied {
			l.tidy()
		}
	}
	want := "3 ........ twenty\n4 ........ twenty\n5 ........ twenty\n6 ........ twenty\n"
	if got, all := read(t, path); got != want || len(all) != 4 || names(t, path) != "log log.1.gz log.2.gz log.3.gz" {
		t.Errorf("%s have %q", names(t, path), got)
	}
}

// TestShiftOverTheOtherForm: what takes the last place is what is there afterwards.
func TestShiftOverTheOtherForm(t *testing.T) {
	for _, isPacked := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "log")
		forms := []func(n int, text string){
			func(n int, text string) { must(t, os.WriteFile(rotated(path, n), []byte(text), 0o600)) },
			func(n int, text string) { must(t, os.WriteFile(packed(path, n), packedFile(t, text), 0o600)) },
		}
		if isPacked {
			forms[0], forms[1] = forms[1], forms[0]
		}
		forms[0](2, "oldest\n")
		forms[1](1, "old\n")
		l := open(t, path, Options{Keep: 2})
		l.write(nil, []byte(twenty))
		_, err := l.rotateNow()
		must(t, err)
		if got, all := read(t, path); got != "old\n"+twenty || len(all) != 3 {
			t.Errorf("%s: %q", names(t, path), got)
		}
	}
}

// TestKilledWhileCompressing: what a supd leaves that is killed between two steps is shown
// once, and put right.
func TestKilledWhileCompressing(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, path string){
		"in the middle of the file": func(t *testing.T, path string) {
			whole := packedFile(t, twenty)
			must(t, os.WriteFile(filepath.Join(filepath.Dir(path), ".log.gz"), whole[:len(whole)/2], 0o600))
		},
		"before the plain one is removed": func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".1.gz", packedFile(t, twenty), 0o600))
		},
		"and something that is none": func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".1.gz", []byte("not whole"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			must(t, os.WriteFile(path+".1", []byte(twenty), 0o600))
			leave(t, path)
			text, err := silentFiles().View(path, 1)
			must(t, err)
			got, err := io.ReadAll(text)
			text.Close()
			if string(got) != twenty || err != nil {
				t.Errorf("shown: %q, %v", got, err)
			}
			set := silentFiles()
			defer set.Close()
			_, err = set.Open(path, Options{Keep: 3, Compress: true, UID: -1, GID: -1, Mode: 0o600})
			must(t, err)
			eventually(t, "all is put right", func() bool { return names(t, path) == "log log.1.gz" })
			if got, _ := read(t, path); got != twenty {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestRotatedWhileCompressing: a file that is rotated on, or cleared, while it is
// compressed.
func TestRotatedWhileCompressing(t *testing.T) {
	for _, cleared := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "log")
		l := open(t, path, Options{MaxSize: 20, Keep: 3, Compress: true})
		l.write(nil, []byte("1 ........ twenty\n"))
		l.write(nil, []byte("2 ........ twenty\n"))
		p, err := l.beginPacking()
		must(t, err)
		must(t, p.run())
		l.write(nil, []byte("3 ........ twenty\n"))
		want, all := "1 ........ twenty\n2 ........ twenty\n3 ........ twenty\n", "log log.1 log.2.gz"
		if cleared {
			must(t, l.clear())
			want, all = "", "log"
		}
		must(t, l.endPacking(p, nil))
		p.close()
		if got, _ := read(t, path); got != want || names(t, path) != all {
			t.Errorf("%s have %q", names(t, path), got)
		}
	}
}

// TestStillWritten: a rotated file that somebody writes to is not compressed, neither by
// this supd, which could not open the log anew, nor by others.
func TestStillWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{Keep: 3, Compress: true})
	l.write(nil, []byte(twenty))
	must(t, os.Rename(path, path+".1"))
	l.tidy()
	l.write(nil, []byte(twenty))
	if got, err := os.ReadFile(path + ".1"); string(got) != twenty+twenty || err != nil || names(t, path) != "log.1" {
		t.Errorf("%s: %q, %v", names(t, path), got, err)
	}
	must(t, l.Reopen())
	p, err := l.beginPacking()
	must(t, err)
	defer p.close()
	must(t, p.run())
	other, err := os.OpenFile(path+".1", os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer other.Close()
	must(t, errOf(other.WriteString(twenty)))
	if err := l.endPacking(p, nil); err != errNothing || names(t, path) != "log log.1" {
		t.Errorf("%v, %s", err, names(t, path))
	}
	if l.tidy(); names(t, path) != "log log.1.gz" {
		t.Error(names(t, path))
	}
}

// TestNothingToCompress: a directory that is gone is no trouble.
func TestNothingToCompress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app", "log")
	var said bytes.Buffer
	l := open(t, path, Options{Keep: 3, Compress: true, Mode: 0o600, UID: -1, GID: -1, Log: slog.New(slog.NewTextHandler(&said, nil))})
	must(t, os.RemoveAll(filepath.Dir(path)))
	if l.tidy(); said.Len() > 0 {
		t.Errorf("said %s", &said)
	}
}

// fails checks that nothing is compressed, which is said once, and that it is later.
func fails(t *testing.T, l *Log, said *bytes.Buffer, mend func()) {
	t.Helper()
	for range 3 {
		l.tidy()
	}
	if n := strings.Count(said.String(), "cannot be compressed"); n != 1 || strings.Contains(names(t, l.path), ".gz") {
		t.Errorf("%s; said %d times: %s", names(t, l.path), n, said)
	}
	mend()
	l.tidy()
	if got := names(t, l.path); got != "log log.1.gz" || !strings.Contains(said.String(), "compressed again") {
		t.Errorf("%s; said %s", got, said)
	}
}

// TestCompressingFails: whatever goes wrong, the plain file stays.
func TestCompressingFails(t *testing.T) {
	begin := func(t *testing.T, dir string, size int) (*Log, *bytes.Buffer) {
		said := new(bytes.Buffer)
		l := open(t, filepath.Join(dir, "log"), Options{Keep: 3, Compress: true, Mode: 0o600, UID: -1, GID: -1, Log: slog.New(slog.NewTextHandler(said, nil))})
		random := rand.NewChaCha8([32]byte{})
		text := make([]byte, size)
		_, _ = random.Read(text) // it does not get smaller
		l.write(nil, append(text, '\n'))
		_, err := l.rotateNow()
		must(t, err)
		return l, said
	}
	t.Run("disk full", func(t *testing.T) {
		needRoot(t)
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
			if os.Getenv("SUPD_TEST_REQUIRE") != "" {
				t.Fatal(err)
			}
			t.Skip("mount: ", err)
		}
		defer unix.Unmount(dir, unix.MNT_DETACH)
		l, said := begin(t, dir, 700<<10)
		fails(t, l, said, func() { must(t, unix.Mount("", dir, "", unix.MS_REMOUNT, "size=4m")) })
	})
	t.Run("in the way", func(t *testing.T) { // as in a directory that cannot be written
		dir := t.TempDir()
		l, said := begin(t, dir, 100)
		must(t, os.MkdirAll(dir+"/.log.gz/x", 0o700))
		if l.pack(); !strings.Contains(said.String(), "cannot be compressed") {
			t.Errorf("said %q", said)
		}
		must(t, os.RemoveAll(dir+"/.log.gz"))
		if l.pack(); names(t, l.path) != "log log.1.gz" {
			t.Error(names(t, l.path))
		}
	})
	t.Run("not to be removed", func(t *testing.T) {
		needRoot(t)
		l, said := begin(t, t.TempDir(), 100)
		appendOnly(t, l.path+".1", true)
		defer func() { // of a test that fails
			if _, err := os.Stat(l.path + ".1"); err == nil {
				appendOnly(t, l.path+".1", false)
			}
		}()
		fails(t, l, said, func() { appendOnly(t, l.path+".1", false) })
	})
	t.Run("too large", func(t *testing.T) {
		l, said := begin(t, t.TempDir(), 100)
		must(t, os.Truncate(l.path+".1", mostPacked+1))
		fails(t, l, said, func() { must(t, os.Truncate(l.path+".1", 100)) })
	})
}

// TestMaxTotal: the oldest files go that are too large together, but not the newest.
func TestMaxTotal(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{MaxSize: 20, Keep: 10, MaxTotal: 60}, "log log.1 log.2 log.3"},
		{Options{MaxSize: 20, Keep: 10, MaxTotal: 59}, "log log.1 log.2"},
		{Options{MaxSize: 20, Keep: 10, MaxTotal: 10}, "log log.1"},
		{Options{MaxSize: 20, Keep: 2, MaxTotal: 60}, "log log.1 log.2"},
		{Options{MaxSize: 20, Keep: 3}, "log log.1 log.2 log.3"},
		{Options{MaxSize: 20, Keep: 10, MaxTotal: 10, Compress: true}, "log log.1.gz"},
	} {
		path := filepath.Join(t.TempDir(), "log")
		l := open(t, path, test.o)
		for range 8 {
			l.write(nil, []byte(twenty))
			if test.o.Compress {
				l.tidy()
			}
		}
		if got := names(t, path); got != test.want {
			t.Errorf("%+v: %s, want %s", test.o, got, test.want)
		}
	}
}

// TestSmallerBounds: what an apply says of rotated files holds for those that are there.
func TestSmallerBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	set := silentFiles()
	defer set.Close()
	o := Options{MaxSize: 20, Keep: 10, UID: -1, GID: -1, Mode: 0o600}
	l, err := set.Open(path, o)
	must(t, err)
	for range 8 {
		l.write(nil, []byte(twenty))
	}
	o.Keep, o.Compress = 2, true
	set.Change(l, o)
	eventually(t, "the rest is compressed and the others are gone", func() bool { return names(t, path) == "log log.1.gz log.2.gz" })
}

// TestMaxAge: a file with something in it is rotated once it is old, whether or not
// anything is written to it; an empty one is not.
func TestMaxAge(t *testing.T) {
	dir := t.TempDir()
	set := silentFiles()
	defer set.Close()
	o := Options{MaxAge: 20 * time.Millisecond, Keep: 1000, UID: -1, GID: -1, Mode: 0o600}
	old, err := set.Open(dir+"/old", o)
	must(t, err)
	empty, err := set.Open(dir+"/empty", o)
	must(t, err)
	for n := range 3 {
		old.write(nil, []byte(twenty))
		eventually(t, "it is rotated", func() bool { return !isMissing(rotated(dir+"/old", n+1)) })
	}
	eventually(t, "all three are", func() bool { got, all := read(t, dir+"/old"); return got == strings.Repeat(twenty, 3) && len(all) == 4 })
	if !isMissing(dir + "/empty.1") {
		t.Error("an empty file is rotated")
	}
	empty.mu.Lock()
	defer empty.mu.Unlock()
	if empty.aged != nil {
		t.Error("something wakes up for an empty file")
	}
}

// TestAgeGoesOn: the age of a file is known to the next supd, and to one whose
// configuration has changed; that of a file that was emptied begins anew.
func TestAgeGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	must(t, os.WriteFile(path, []byte(twenty), 0o600))
	file, err := os.Open(path)
	must(t, err)
	made := birth(file)
	file.Close()
	l := open(t, path, Options{Keep: 3})
	if !l.born.Equal(made) {
		t.Errorf("born %v, want %v", l.born, made)
	}
	silentFiles().Change(l, Options{Keep: 3, MaxAge: time.Nanosecond, Mode: 0o600, UID: -1, GID: -1})
	eventually(t, "it is rotated", func() bool { return !isMissing(path + ".1") })
	silentFiles().Change(l, Options{Keep: 3, MaxAge: time.Hour, Mode: 0o600, UID: -1, GID: -1})
	l.write(nil, []byte(twenty))
	before := l.born
	must(t, os.Truncate(path, 0))
	hurry(l)
	l.write(nil, []byte(twenty))
	if !l.born.After(before) {
		t.Error("an emptied file is as old as before")
	}
}

// TestTooOldToRotate: a file that cannot be rotated for its age is written further, which
// is said once, and tried again.
func TestTooOldToRotate(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "log")
	var said bytes.Buffer
	l := open(t, path, Options{Keep: 3, Mode: 0o600, UID: -1, GID: -1, Log: slog.New(slog.NewTextHandler(&said, nil))})
	l.write(nil, []byte(twenty))
	appendOnly(t, path, true)
	defer appendOnly(t, path, false)
	l.options.MaxAge = time.Nanosecond
	for range 3 {
		l.rotateOld()
	}
	if n := strings.Count(said.String(), "cannot be rotated"); n != 1 {
		t.Errorf("said %d times: %s", n, &said)
	}
	l.mu.Lock()
	again := l.aged.Stop()
	l.mu.Unlock()
	if !again {
		t.Error("it is not tried again")
	}
	l.options.MaxAge = 0
	l.write(nil, []byte(twenty))
	if got, _ := read(t, path); got != twenty+twenty {
		t.Errorf("%q", got)
	}
}

// TestRotateNow: whether or not anything is captured to the log; an empty one is left
// alone.
func TestRotateNow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	set := silentFiles()
	defer set.Close()
	l, err := set.Open(path, Options{Keep: 3, UID: -1, GID: -1, Mode: 0o600})
	must(t, err)
	now := func(want bool) {
		t.Helper()
		if got, err := set.Rotate(path); got != want || err != nil {
			t.Fatalf("%v, %v", got, err)
		}
	}
	now(false)
	l.write(nil, []byte(twenty))
	now(true)
	now(false)
	l.write(nil, []byte(twenty))
	set.Rest() // nothing is captured to it
	now(true)
	if names(t, path) != "log.1 log.2" {
		t.Error(names(t, path))
	}
	now(false)
	if _, err := set.Rotate(path + "x"); err == nil {
		t.Error("what is no log is rotated")
	}
	must(t, l.Close())
	if _, err := set.Rotate(path); err == nil {
		t.Error("a closed log is rotated")
	}
}

// TestCompressedForTheApps: in a directory of the app's the compressed file is made with
// its rights, and whatever the directory leads to by then is not touched.
func TestCompressedForTheApps(t *testing.T) {
	l := newLair(t)
	l.options.Compress = true
	log := open(t, l.path, l.options)
	log.write(nil, bytes.Repeat([]byte(twenty), 12))
	log.tidy()
	info, err := os.Stat(l.path + ".1.gz")
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != stranger.UID || int(st.Gid) != stranger.GID || info.Mode() != 0o640 {
		t.Errorf("%v of %d and %d", info.Mode(), st.Uid, st.Gid)
	}

	log.write(nil, bytes.Repeat([]byte(twenty), 12))
	p, err := log.beginPacking()
	must(t, err)
	defer p.close()
	must(t, p.run())
	want := ""
	for _, name := range []string{".web.gz", "web", "web.1", "web.2.gz"} {
		must(t, os.WriteFile(l.dir+"/root/"+name, []byte("secret"), 0o600))
		want += name + "=secret "
	}
	l.swap(t)
	_ = log.endPacking(p, nil)
	log.tidy()
	if _, err := log.rotateNow(); err == nil {
		t.Error("rotated")
	}
	_ = log.clear()
	l.untouched(t, want)
}

// TestCompressedLinks: a link in the place of a file is neither read nor written through.
func TestCompressedLinks(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/secret", []byte("secret"), 0o600))
	must(t, os.Mkdir(dir+"/logs", 0o700))
	path := dir + "/logs/log"
	must(t, os.Symlink(dir+"/secret", path+".1"))
	must(t, os.Symlink(dir+"/secret", dir+"/logs/.log.gz"))
	l := open(t, path, Options{Keep: 3, Compress: true})
	l.tidy()
	if got, err := os.ReadFile(dir + "/secret"); string(got) != "secret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := os.Stat(path + ".1.gz"); err == nil {
		t.Error("a link was followed")
	}
	must(t, os.Remove(path+".1"))
	must(t, os.Symlink(dir+"/secret", path+".1.gz"))
	if _, err := silentFiles().View(path, 1); err == nil {
		t.Error("a link is shown")
	}
}
