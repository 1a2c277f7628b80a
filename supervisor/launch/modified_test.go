package launch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// ago is a worker that was launched so long ago; it is this process's user's.
func ago(t *testing.T, d time.Duration) *Worker {
	t.Helper()
	start, err := tree.StartTime(os.Getpid())
	must(t, err)
	start = start + uint64(tree.Age(start)/(10*time.Millisecond)) - uint64(d/(10*time.Millisecond))
	s := testJob(configs.Process{})
	s.Account = &privdrop.Account{UID: os.Geteuid(), GID: os.Getegid()}
	return &Worker{spec: s, Process: record.Process{Identity: record.Identity{Start: start}}}
}

// TestModified: ready wants a modification since the launch, and lately where it says so;
// health takes the launch for one.
func TestModified(t *testing.T) {
	const never = -1
	for _, c := range []struct {
		name             string
		launched, before time.Duration // ago; and the modification
		maxAge           time.Duration
		ready, health    string // what is wrong
	}{
		{"just now", time.Hour, 0, time.Minute, "", ""},
		{"since the launch", time.Hour, 30 * time.Minute, 0, "", ""},
		{"before the launch", time.Hour, 2 * time.Hour, 2 * time.Hour, "was not modified since the launch", ""},
		{"before the launch, long ago", time.Hour, 2 * time.Hour, time.Minute, "was not modified since the launch", "was not modified for 1h0m0s, max_age is 1m0s"},
		{"too long ago", time.Hour, 30 * time.Minute, time.Minute, "was not modified for 30m0s, max_age is 1m0s", "was not modified for 30m0s, max_age is 1m0s"},
		{"not there", time.Second, never, time.Minute, "no such file", ""},
		{"never there", time.Hour, never, time.Minute, "no such file", "was not modified for 1h0m0s"},
		{"in the future", time.Hour, -time.Hour, time.Minute, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "web.2")
			if c.before != never {
				must(t, os.WriteFile(path, nil, 0o600))
				at := time.Now().Add(-c.before)
				must(t, os.Chtimes(path, at, at))
			}
			w := ago(t, c.launched)
			spec := privdrop.Spec{Env: []string{"DIR=" + filepath.Dir(path)}}
			for lives, want := range map[bool]string{false: c.ready, true: c.health} {
				q := configs.Question{File: "{env.DIR}/{process}.{slot}", MaxAge: c.maxAge, Lives: lives}
				err := w.modified(context.Background(), spec, q)
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("health %v: %v, want %q", lives, err, want)
				}
			}
		})
	}
}

// TestModificationOf: only a regular file counts, and nothing is opened or waited for.
func TestModificationOf(t *testing.T) {
	dir := t.TempDir()
	as := (&privdrop.Account{UID: os.Geteuid(), GID: os.Getegid()}).Files()
	must(t, os.WriteFile(dir+"/file", nil, 0))
	must(t, os.Symlink(dir+"/file", dir+"/link"))
	must(t, os.Mkdir(dir+"/directory", 0o700))
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	for name, want := range map[string]string{"file": "", "link": "is not a regular file", "directory": "is not a regular file",
		"fifo": "is not a regular file", "none": "no such file", "none/deep": "no such file", "file/deep": "not a directory"} {
		at, err := modificationOf(dir+"/"+name, as)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && time.Since(at) > time.Hour {
			t.Errorf("%s: %v, %v, want %q", name, at, err, want)
		}
	}
}

// TestModificationAsTheUser: where the worker's user leads the way, it is gone with the
// rights of that user, and tells nothing of what that may not see.
func TestModificationAsTheUser(t *testing.T) {
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("SUPD_TEST_REQUIRE") == "1":
		t.Fatal("needs root, and SUPD_TEST_REQUIRE=1 forbids to skip")
	default:
		t.Skip("needs root")
	}
	dir := t.TempDir()
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		must(t, os.Chmod(path, 0o755))
	}
	must(t, os.MkdirAll(dir+"/secret", 0o700))
	must(t, os.WriteFile(dir+"/secret/file", nil, 0o600))
	must(t, os.Mkdir(dir+"/own", 0o755))
	must(t, os.Symlink(dir+"/secret", dir+"/own/link"))
	must(t, os.Chown(dir+"/own", 65534, 65534))
	as := (&privdrop.Account{UID: 65534, GID: 65534}).Files()
	if at, err := modificationOf(dir+"/own/link/file", as); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v, %v", at, err)
	}
}

// TestModificationThatHangs: one look at a file system that does not answer is enough,
// and who asks has an answer in time.
func TestModificationThatHangs(t *testing.T) {
	w := ago(t, time.Second)
	w.looks.Store(true)
	_, err := w.modification(context.Background(), "/run/alive")
	if err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("%v", err)
	}
	if _, err := w.modification(context.Background(), "alive"); err == nil {
		t.Error("a path that is not absolute is looked for")
	}
}
