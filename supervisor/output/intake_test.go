package output

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestLayout: another version of supd reads the file. Whoever changes its layout
// changes magic.
func TestLayout(t *testing.T) {
	got := []uintptr{unsafe.Offsetof(head{}.boot), unsafe.Offsetof(head{}.length), unsafe.Offsetof(head{}.pipe),
		unsafe.Offsetof(head{}.turn), unsafe.Offsetof(head{}.states), unsafe.Sizeof(head{}), unsafe.Offsetof(state{}.reading),
		unsafe.Offsetof(state{}.mark), unsafe.Offsetof(state{}.writing), unsafe.Offsetof(state{}.newline),
		unsafe.Offsetof(state{}.midline), unsafe.Offsetof(state{}.file), unsafe.Offsetof(state{}.size), unsafe.Sizeof(state{}), intakeSize}
	want := []uintptr{16, 52, 56, 68, 72, 200, 8, 12, 28, 32, 36, 40, 56, 64, 540672}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("number %d is %d, want %d", i, got[i], want[i])
		}
	}
}

// kept makes the Files of one supd, which holds its output in dir/kept.
func kept(t *testing.T, dir string) *Files {
	t.Helper()
	files := NewFiles(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	must(t, files.KeepIn(dir+"/kept"))
	return files
}

func keptLog(t *testing.T, files *Files, path string) *Log {
	t.Helper()
	l, err := files.Open(path, Options{UID: -1, GID: -1, Mode: 0o600})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// stopped makes an intake as a supd leaves it that is killed in the state s.
func stopped(t *testing.T, dir, data string, s state) {
	t.Helper()
	keep, err := openStore(dir + "/kept")
	must(t, err)
	in, err := keep.create("app.web.1.1", dir+"/log", 1, nil)
	must(t, err)
	must(t, in.reserve(len(data)))
	copy(in.data, data)
	in.set(s)
	in.close()
}

// TestKilledInRead: supd was killed before or after the bytes came.
func TestKilledInRead(t *testing.T) {
	unread := [16]byte([]byte("a mark of sixteen"[1:]))
	for name, c := range map[string]struct{ data, want string }{
		"before":       {"held\n" + "a long one, " + string(unread[:]), "held\n"},
		"after":        {"held\n" + "a long one, with another\nend", "held\na long one, with another\nend"},
		"before short": {"held\n" + string(unread[:3]), "held\n"},
		"after short":  {"held\n" + "a\nb", "held\na\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			stopped(t, dir, c.data, state{end: 5, reading: uint32(len(c.data) - 5), mark: unread})
			files := kept(t, dir)
			must(t, files.WriteRest(asNoted))
			if got, _ := read(t, dir+"/log"); got != c.want {
				t.Errorf("log %q, want %q", got, c.want)
			}
		})
	}
}

// TestKilledInWrite: all of a write is in the log, or some, or nothing; meanwhile
// the log was moved, truncated or deleted.
func TestKilledInWrite(t *testing.T) {
	const before, text = "before\n", "one\ntwo\nthree\n"
	for name, c := range map[string]struct {
		log     string // at the kill
		newline uint32
		moved   bool
		want    string // in the log
		old     string // in the moved file
	}{
		"nothing":          {before, 0, false, before + text + "rest", ""},
		"some":             {before + "one\nt", 0, false, before + text + "rest", ""},
		"all":              {before + text, 0, false, before + text + "rest", ""},
		"newline only":     {before + "\n", 1, false, before + "\n" + text + "rest", ""},
		"newline and some": {before + "\none", 1, false, before + "\n" + text + "rest", ""},
		"no newline":       {before, 1, false, before + text + "rest", ""},
		"some, moved":      {before + "one", 0, true, "rest", before + text},
		"nothing, moved":   {before, 0, true, text + "rest", before},
		"truncated":        {"", 0, false, text + "rest", ""},
		"of somebody else": {before + "other\n", 0, false, before + "other\n" + text + "rest", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.WriteFile(dir+"/log", []byte(c.log), 0o600))
			var st unix.Stat_t
			must(t, unix.Stat(dir+"/log", &st))
			if c.moved {
				must(t, os.Rename(dir+"/log", dir+"/log-yesterday"))
			}
			stopped(t, dir, text+"rest", state{end: uint32(len(text) + 4), writing: uint32(len(text)),
				newline: c.newline, file: idOf(&st), size: int64(len(before))})
			must(t, kept(t, dir).WriteRest(asNoted))
			if got, _ := read(t, dir+"/log"); got != c.want {
				t.Errorf("log %q, want %q", got, c.want)
			}
			if old, _ := os.ReadFile(dir + "/log-yesterday"); string(old) != c.old {
				t.Errorf("moved log %q, want %q", old, c.old)
			}
			if left, _ := os.ReadDir(dir + "/kept"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestKilledTwice: supd is killed again while it completes the first write.
func TestKilledTwice(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/log", []byte("on"), 0o600))
	var st unix.Stat_t
	must(t, unix.Stat(dir+"/log", &st))
	stopped(t, dir, "one\ntwo\n", state{end: 8, writing: 8, file: idOf(&st)})
	must(t, os.WriteFile(dir+"/log", []byte("one\ntw"), 0o600))
	must(t, kept(t, dir).WriteRest(asNoted))
	if got, _ := read(t, dir+"/log"); got != "one\ntwo\n" {
		t.Errorf("log %q", got)
	}
}

// TestUnusableFiles: whatever is in the directory, captures work, and the log names
// it.
func TestUnusableFiles(t *testing.T) {
	good := t.TempDir()
	stopped(t, good, "held\n", state{end: 5})
	whole, err := os.ReadFile(good + "/kept/app.web.1.1")
	must(t, err)
	changed := func(at uintptr, b ...byte) []byte {
		text := bytes.Clone(whole)
		copy(text[at:], b)
		return text
	}
	states := unsafe.Offsetof(head{}.states) + unsafe.Sizeof(state{}) // the second one is current
	for name, text := range map[string][]byte{
		"empty":          {},
		"truncated":      whole[:100],
		"cut":            whole[:page],
		"longer":         append(bytes.Clone(whole), 0),
		"noise":          bytes.Repeat([]byte{0xa5}, intakeSize),
		"zeros":          make([]byte, intakeSize),
		"another magic":  changed(12, '2'),
		"another boot":   changed(unsafe.Offsetof(head{}.boot), 'x'),
		"long path":      changed(unsafe.Offsetof(head{}.length), 0xff, 0xff, 0xff, 0x7f),
		"end is beyond":  changed(states+4, 0xff, 0xff, 0xff),
		"end is before":  changed(states, 6),
		"reading beyond": changed(states+8, 0xff, 0xff, 0xff),
		"writing beyond": changed(states+28, 6),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Mkdir(dir+"/kept", 0o700))
			must(t, os.WriteFile(dir+"/kept/app.web.1.1", text, 0o600))
			must(t, os.WriteFile(dir+"/kept/.app.web.1.2", whole, 0o600))
			var said bytes.Buffer
			files := NewFiles(slog.New(slog.NewTextHandler(&said, nil)))
			must(t, files.KeepIn(dir+"/kept"))
			if n := strings.Count(said.String(), "app.web.1.1"); n != 1 {
				t.Errorf("said %q", said.String())
			}
			l := keptLog(t, files, dir+"/log")
			c, w := startAs(t, l, "app.web.1.1")
			w.WriteString("new\n")
			w.Close()
			wait(t, c)
			must(t, files.WriteRest(asNoted))
			if got, _ := read(t, dir+"/log"); got != "new\n" {
				t.Errorf("log %q", got)
			}
			if left, _ := os.ReadDir(dir + "/kept"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func startAs(t *testing.T, l *Log, name string) (*Capture, *os.File) {
	t.Helper()
	r, w, err := Pipe(-1, -1)
	must(t, err)
	return l.CaptureAs(name, r, nil), w
}

// FuzzIntake: any file gives either an error or output that can be written.
func FuzzIntake(f *testing.F) {
	dir := f.TempDir()
	keep, err := openStore(dir + "/kept")
	if err != nil {
		f.Fatal(err)
	}
	in, err := keep.create("seed", dir+"/log", 1, []byte("held\nunfinished"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(in.memory[:headSize]))
	in.remove()
	path := dir + "/log"
	f.Fuzz(func(t *testing.T, begin []byte) {
		text := make([]byte, intakeSize)
		copy(text, begin[:min(len(begin), headSize)])
		h := (*head)(unsafe.Pointer(&text[0]))
		h.length = uint32(len(path)) // the test must not write elsewhere
		copy(text[headSize:], path)
		must(t, os.WriteFile(dir+"/kept/name", text, 0o600))
		files := NewFiles(slog.New(slog.DiscardHandler))
		must(t, files.KeepIn(dir+"/kept"))
		must(t, files.WriteRest(asNoted))
		must(t, errors.Join(os.Truncate(path, 0), ignoreMissing(os.Remove(dir+"/kept/name"))))
	})
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// TestKeptOnFullDisk: a worker is captured all the same, which is logged.
func TestKeptOnFullDisk(t *testing.T) {
	needRoot(t)
	for name, size := range map[string]string{"at once": "size=4k", "later": "size=64k"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Mkdir(dir+"/full", 0o700))
			if err := unix.Mount("tmpfs", dir+"/full", "tmpfs", 0, size); err != nil {
				if os.Getenv("SUPD_TEST_REQUIRE") != "" {
					t.Fatal(err)
				}
				t.Skip("mount: ", err)
			}
			defer unix.Unmount(dir+"/full", unix.MNT_DETACH)
			var said bytes.Buffer
			files := NewFiles(slog.New(slog.NewTextHandler(&said, nil)))
			must(t, files.KeepIn(dir+"/full/kept"))
			if name == "at once" {
				must(t, os.WriteFile(dir+"/full/file", make([]byte, page), 0o600))
			}
			l := keptLog(t, files, dir+"/log")
			c, w := startAs(t, l, "app.web.1.1")
			w.WriteString("beginning")
			eventually(t, "it is taken", func() bool { n := inPipe(int(w.Fd())); return n == 0 })
			writeLines(w, 2<<20, 4096)
			w.Close()
			wait(t, c)
			got, _ := read(t, dir+"/log")
			if want := "beginning" + strings.Repeat(strings.Repeat("x", 99)+"\n", 2<<20/100+1); got != want[:len(got)] || len(got) != 2<<20+9 {
				t.Errorf("%d bytes in the log: %.40q", len(got), got)
			}
			if n := strings.Count(said.String(), "memory only"); n != 1 {
				t.Errorf("said %d times: %s", n, said.String())
			}
			if left, _ := os.ReadDir(dir + "/full/kept"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestKeptNeedsLittle: an idle worker needs one page, and memory that a flood
// needed is given back.
func TestKeptNeedsLittle(t *testing.T) {
	dir := t.TempDir()
	if shared, err := os.MkdirTemp("/dev/shm", "supd-test-"); err == nil {
		dir = shared // there the blocks of a file are counted exactly
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	l := keptLog(t, kept(t, dir), dir+"/log")
	c, w := startAs(t, l, "app.web.1.1")
	blocks := func() int64 {
		var st unix.Stat_t
		if err := unix.Stat(dir+"/kept/app.web.1.1", &st); err != nil {
			return -1
		}
		return st.Blocks * 512
	}
	w.WriteString("a line\n")
	eventually(t, "a page holds it", func() bool { n, _ := l.Stats(); return n == 7 && blocks() == int64(page) })
	writeLines(w, 10<<20, 4096)
	eventually(t, "the memory of a flood is given back", func() bool { n, _ := l.Stats(); return n > 10<<20 && blocks() == int64(page) })
	w.WriteString("unfinished")
	eventually(t, "it is written", func() bool { got, _ := read(t, filepath.Join(dir, "log")); return strings.HasSuffix(got, "unfinished") })
	w.Close()
	wait(t, c)
	if blocks() != -1 {
		t.Error("the file is left")
	}
}
