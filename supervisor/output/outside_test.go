package output

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hurry makes the next write look at the log's path.
func hurry(l *Log) { l.looked = time.Time{} }

// TestTruncatedLogIsNotRotated: what counts is the size of the file, not the sum of
// what was written.
func TestTruncatedLogIsNotRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{MaxSize: 1000, Keep: 1})
	l.write(nil, bytes.Repeat([]byte("123456789\n"), 99))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	l.write(nil, bytes.Repeat([]byte("abcdefghi\n"), 99))
	if _, files := read(t, path); len(files) != 1 || len(files[0]) != 990 {
		t.Errorf("%d files: %.40q", len(files), files)
	}
}

// TestMovedLogIsNotRotated: the file at the path is not the one that is full.
func TestMovedLogIsNotRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{MaxSize: 1000, Keep: 3})
	l.write(nil, bytes.Repeat([]byte("123456789\n"), 100))
	if err := os.Rename(path, path+"-today"); err != nil {
		t.Fatal(err)
	}
	l.write(nil, bytes.Repeat([]byte("abcdefghi\n"), 50))
	if got, files := read(t, path); len(files) != 1 || got != strings.Repeat("abcdefghi\n", 50) {
		t.Errorf("%d files: %.40q", len(files), got)
	}
}

// TestDirectoryRemoved: the log comes back with its directory.
func TestDirectoryRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app", "log")
	l := open(t, path, Options{})
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	hurry(l)
	l.write(nil, []byte("again\n"))
	if got, _ := read(t, path); got != "again\n" {
		t.Errorf("log %q", got)
	}
}

// TestReplacedByLink: a symbolic link in the log's place is not followed. The log
// goes on in the moved file, which is logged once.
func TestReplacedByLink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "log"), filepath.Join(dir, "target")
	var said bytes.Buffer
	l := open(t, path, Options{Mode: 0o600, UID: -1, GID: -1, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		hurry(l)
		l.write(nil, []byte("line\n"))
	}
	if got, _ := os.ReadFile(path + ".moved"); string(got) != strings.Repeat("line\n", 3) {
		t.Errorf("moved log %q", got)
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("the link was followed")
	}
	if n := strings.Count(said.String(), "\n"); n != 1 {
		t.Errorf("said %d times: %s", n, said.String())
	}
}

// TestRotationFailsWithOldFiles: a rotation that fails again and again loses no old
// file. A file that may only be appended to (chattr +a) cannot be renamed.
func TestRotationFailsWithOldFiles(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{MaxSize: 100, Keep: 3})
	for _, n := range []string{"1", "2"} {
		if err := os.WriteFile(path+"."+n, []byte("old "+n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	appendOnly(t, path, true)
	for range 50 {
		l.write(nil, []byte("a line of twenty by\n"))
	}
	appendOnly(t, path, false)
	names, _ := filepath.Glob(path + "*")
	all := ""
	for _, name := range names {
		text, _ := os.ReadFile(name)
		all += string(text)
	}
	if strings.Count(all, "old 1") != 1 || strings.Count(all, "old 2") != 1 || strings.Count(all, "a line") != 50 {
		t.Errorf("files %q have %q", names, all)
	}
}

// appendOnly sets FS_APPEND_FL, 0x20 (ioctl_iflags(2)).
func appendOnly(t *testing.T, path string, on bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const appends = 0x20 // FS_APPEND_FL; ext4 wants all others as they are
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if flags &^= appends; on {
		flags |= appends
	}
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags))
	}
	if err != nil {
		t.Skip("the file system knows no chattr +a: ", err)
	}
}

// TestNewFileIsExact: owner and mode do not depend on the umask, and a file that
// is there already keeps its own.
func TestNewFileIsExact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app", "log")
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	o := Options{MaxSize: 10, Keep: 1, Mode: 0o640, UID: -1, GID: -1}
	if os.Geteuid() == 0 {
		o.GID = 65534
	}
	l := open(t, path, o)
	want := func(mode fs.FileMode, gid int) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode || gid >= 0 && int(info.Sys().(*syscall.Stat_t).Gid) != gid {
			t.Errorf("mode %v, want %v with group %d", info.Mode(), mode, gid)
		}
	}
	want(0o640, o.GID)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o604); err != nil { // as logrotate's create does
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	want(0o604, os.Getegid())
	l.write(nil, []byte("0123456789\n"))
	l.write(nil, []byte("0123456789\n"))
	want(0o640, o.GID)
}

// TestFilesShare: a path has one Log, with the options of the last Change, and all
// are reopened at once.
func TestFilesShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	files := NewFiles(slog.New(slog.DiscardHandler))
	one, err := files.Open(path, Options{MaxSize: 1000, Keep: 1, Mode: 0o600, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	small := Options{MaxSize: 20, Keep: 1, Mode: 0o600, UID: -1, GID: -1}
	two, err := files.Open(path, small)
	if err != nil || one != two {
		t.Fatalf("another log for the same path, %v", err)
	}
	one.write(nil, []byte("sixteen letters\n"))
	one.write(nil, []byte("once more\n"))
	if _, names := read(t, path); len(names) != 1 {
		t.Errorf("rotated at a size that it was not changed to: %q", names)
	}
	files.Change(one, small)
	one.write(nil, []byte("and again\n"))
	if _, names := read(t, path); len(names) != 2 {
		t.Errorf("not rotated at its new size: %q", names)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := files.Reopen(); err != nil || isMissing(path) {
		t.Errorf("not reopened: %v", err)
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}

func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
