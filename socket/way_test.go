package socket

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"supd/privdrop/files"
)

const stranger = 54321

// TestDirectoryLedElsewhere: whoever owns a directory on the way to a socket leads root
// nowhere where he could not make one himself: at an Open, a Repair,
// a Check and a Close.
func TestDirectoryLedElsewhere(t *testing.T) {
	needRoot(t)
	dir := shortDir(t)
	must(t, os.Chmod(dir, 0o755))
	for _, d := range []string{"/srv", "/srv/run", "/root"} {
		must(t, os.Mkdir(dir+d, 0o755))
	}
	for _, d := range []string{"/srv", "/srv/run"} {
		must(t, os.Chown(dir+d, stranger, stranger))
	}
	spec := Spec{Listen: "unix:" + dir + "/srv/run/web.sock"}
	if _, err := Open(spec); !files.IsUntrusted(err) {
		t.Fatalf("on nobody's behalf: %v", err)
	}
	spec.As = &files.Account{UID: stranger, GID: stranger}
	set, err := NewSet(dir + "/keep")
	must(t, err)
	defer set.Close()
	must(t, apply(set, map[string]Spec{"web": spec}))
	answers(t, set.Get("web"))

	must(t, os.Rename(dir+"/srv/run", dir+"/srv/old"))
	must(t, os.Symlink(dir+"/root", dir+"/srv/run"))
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "with the rights of uid 54321") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("check", Check(spec, &Handed{}, false))
	refused("repair", set.Repair(Damage{Key: "web", Kind: Unlinked}))
	refused("repair of a listener", set.Repair(Damage{Key: "web", Kind: ShutDown}))
	other := spec
	other.Listen = "unix:" + dir + "/srv/run/other.sock"
	_, err = Open(other)
	refused("open", err)

	// The very socket, under its name in there, is not taken away either.
	must(t, os.Link(dir+"/srv/old/web.sock", dir+"/root/web.sock"))
	if err := apply(set, nil); !errors.Is(err, ErrLeftover) {
		t.Errorf("closed, and of the path: %v", err)
	}
	if got := entries(t, dir+"/root"); !slices.Equal(got, []string{"web.sock"}) {
		t.Errorf("in root's directory: %q", got)
	}
}
