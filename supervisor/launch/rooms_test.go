package launch

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
)

// testRooms have a runtime directory in memory.
func testRooms(t *testing.T, apps ...string) (*Rooms, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir() + "/run"
	mountMemory(t, dir, "mode=755,size=8m")
	runtime := configs.Runtime(dir)
	must(t, runtime.Make())
	said := new(bytes.Buffer)
	return NewRooms(slog.New(slog.NewTextHandler(said, nil)), runtime, apps), said
}

func (l *Rooms) testEnter(t *testing.T, app, launch string) (r *room, dir string) {
	t.Helper()
	r, err := l.enter(app)
	must(t, err)
	dir = l.runtime.Worker(app, launch)
	must(t, os.Mkdir(dir, 0o700))
	return r, dir
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// TestRooms: an app's room is bounded, is none of another's, is not made twice, and goes
// with its last worker where the app is not kept.
func TestRooms(t *testing.T) {
	l, said := testRooms(t, "kept")
	var entered sync.WaitGroup
	for range 8 {
		entered.Go(func() {
			if _, err := l.enter("kept"); err != nil {
				t.Error(err)
			}
		})
	}
	entered.Wait()
	kept, dir := l.testEnter(t, "kept", "kept.web.1.1")
	gone, other := l.testEnter(t, "gone", "gone.web.1.1")
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for _, room := range []string{kept.dir, gone.dir} {
		found := slices.DeleteFunc(strings.Split(string(mounts), "\n"), func(line string) bool { return !strings.Contains(line, " "+room+" tmpfs ") })
		if len(found) != 1 || !strings.Contains(found[0], ",nr_inodes=196608,") && !strings.Contains(found[0], ",nr_inodes=192k,") || !strings.Contains(found[0], ",mode=711") {
			t.Errorf("mounts: %q", found)
		}
	}
	must(t, os.WriteFile(other+"/file", nil, 0o600))
	must(t, kept.exit(dir))
	for range 8 {
		must(t, kept.exit(""))
	}
	must(t, gone.exit(other))
	gone.rubbish.Wait(t.Context())
	awaitGone(t, gone)
	if !kept.isMounted() || isThere(dir) {
		t.Errorf("mounted %t, directory %t", kept.isMounted(), isThere(dir))
	}
	again, _ := l.testEnter(t, "gone", "gone.web.1.2")
	if !again.isMounted() {
		t.Error("the room is not made again")
	}
	must(t, again.exit(""))
	l.Keep(nil)
	if isThere(kept.dir) || isThere(again.dir) {
		t.Error("a room of nobody stays")
	}
	if said.Len() > 0 {
		t.Errorf("said %s", said)
	}
}

// TestRoomsComeAndGo: a room that goes with its last worker is not taken from the next one.
func TestRoomsComeAndGo(t *testing.T) {
	l, said := testRooms(t)
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			for k := range 50 {
				r, err := l.enter("app")
				dir := l.runtime.Worker("app", configs.LaunchName("app", "web", i, k+1))
				if err == nil {
					err = os.MkdirAll(dir+"/deep", 0o700)
				}
				if err != nil || !r.isMounted() {
					t.Errorf("mounted %t, %v", r.isMounted(), err)
				}
				if err := r.exit(dir); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	r := l.hold("app")
	r.rubbish.Wait(t.Context())
	must(t, r.exit(""))
	awaitGone(t, r)
	if len(l.rooms) > 0 || said.Len() > 0 {
		t.Errorf("%d rooms are left; said %s", len(l.rooms), said)
	}
}

// awaitGone waits for who takes the room away at this moment.
func awaitGone(t *testing.T, r *room) {
	t.Helper()
	r.leave() // who is at it has done so then
	if isThere(r.dir) {
		t.Errorf("%s is there", r.dir)
	}
}

// TestRoomsClose: all that there is goes, full or not, also the file system of earlier
// supds, and nobody waits for what is in there.
func TestRoomsClose(t *testing.T) {
	l, _ := testRooms(t, "a")
	workers := l.runtime.Workers()
	must(t, unix.Mount("supd", workers, "tmpfs", 0, "mode=0711"))
	a, dir := l.testEnter(t, "a", "a.web.1.1")
	must(t, os.MkdirAll(dir+"/deep/er", 0o700))
	must(t, a.exit(dir))
	l.Close(time.Minute)
	left, err := os.ReadDir(workers)
	must(t, err)
	shared := &room{dir: workers}
	if len(left) > 0 || shared.isMounted() {
		t.Errorf("left %v, mounted %t", left, shared.isMounted())
	}
	// What is done late is not done to the rooms of the next supd.
	next := NewRooms(l.log, l.runtime, nil)
	r, dir := next.testEnter(t, "a", "a.web.1.2")
	a.leave()
	if !isThere(dir) {
		t.Error("the next supd's room is taken away")
	}
	must(t, r.exit(dir))
}

// TestRoomsOfBefore: what is there is gone on with, in rooms and as earlier supds have left
// it, and what nobody has any more goes.
func TestRoomsOfBefore(t *testing.T) {
	first, _ := testRooms(t, "a")
	first.testEnter(t, "a", "a.web.1.1")
	_, left := first.testEnter(t, "a", "a.web.2.1")
	must(t, os.WriteFile(left+"/file", nil, 0o600))
	_, thrown := first.testEnter(t, "a", ".thrown")
	first.testEnter(t, "gone", "gone.web.1.1")
	must(t, os.MkdirAll(first.runtime.Worker("", "a.web.3.1"), 0o700))
	must(t, os.MkdirAll(first.runtime.Worker("", "old.web.1.1/sub"), 0o700))
	must(t, os.MkdirAll(first.runtime.Worker("", ".rubbish/sub/deep"), 0o700))

	l := NewRooms(first.log, first.runtime, []string{"a"})
	inRoom, flat := l.Find("a", "a.web.1.1"), l.Find("a", "a.web.3.1")
	if inRoom != first.runtime.Worker("a", "a.web.1.1") || flat != first.runtime.Worker("", "a.web.3.1") {
		t.Errorf("found %s, %s", inRoom, flat)
	}
	a, shared := l.of(inRoom), l.of(flat)
	must(t, l.Sweep(func(launch string) bool { return launch == "a.web.1.1" || launch == "a.web.3.1" }))
	for _, r := range []*room{a, shared} {
		r.rubbish.Wait(t.Context())
	}
	entries, err := os.ReadDir(l.runtime.Workers())
	must(t, err)
	if len(entries) != 2 || !isThere(inRoom) || !isThere(flat) || isThere(left) || isThere(thrown) {
		t.Errorf("left: %v", entries)
	}
	if again, _ := l.testEnter(t, "a", "a.web.1.2"); again != a || !isThere(inRoom) {
		t.Error("the room is another one")
	}
	must(t, shared.exit(flat))
	if isThere(flat) {
		t.Errorf("%s is there", flat)
	}
}

// TestRoomTakenAway: a room that somebody has cleaned up is made again.
func TestRoomTakenAway(t *testing.T) {
	l, _ := testRooms(t, "a")
	w := &Worker{launcher: &Launcher{Runtime: l.runtime, Rooms: l}, spec: testJob(configs.Process{})}
	r, dir := l.testEnter(t, "a", "a.web.1.1")
	w.room = r
	must(t, unix.Unmount(r.dir, 0))
	must(t, os.RemoveAll(l.runtime.Workers()))
	must(t, w.newDirectory(dir))
	if !r.isMounted() {
		t.Error("it has no file system of its own")
	}
}

// TestRoomUnbounded: where no file system can be mounted, that is said once.
func TestRoomUnbounded(t *testing.T) {
	l, said := testRooms(t)
	for _, app := range []string{"a", "b"} {
		must(t, os.MkdirAll(filepath.Join(l.runtime.Room(app), "filled"), 0o700))
		if r, _ := l.testEnter(t, app, app+".web.1.1"); r.isMounted() {
			t.Error("what is in there is covered")
		}
	}
	if strings.Count(said.String(), "is not bounded") != 1 {
		t.Errorf("said %s", said)
	}
}

// TestRoomFilled: a launch into a room that is full says what helps, and that does.
func TestRoomFilled(t *testing.T) {
	options := roomOptions
	defer func() { roomOptions = options }()
	roomOptions = "mode=0711,nr_inodes=100"
	l, _ := testRooms(t, "whois", "other")
	spec := testJob(configs.Process{Scratch: []string{"TMPDIR"}})
	spec.Account.UID, spec.Account.GID = os.Geteuid(), os.Getegid()
	launcher := &Launcher{Log: l.log, Runtime: l.runtime, Rooms: l}
	filler := launcher.worker(spec)
	must(t, filler.makeDirectory())
	fill(t, filler.Belongings.Directory)
	spec.Generation++
	next := launcher.worker(spec)
	if err := next.makeDirectory(); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "supctl stop whois") {
		t.Errorf("beside the one that has filled it: %v", err)
	}
	next.Release()
	spec.App = "other"
	other := launcher.worker(spec)
	must(t, other.makeDirectory())
	other.Release()
	filler.Release()
	filler.room.rubbish.Wait(t.Context())
	spec.App = "whois"
	again := launcher.worker(spec)
	must(t, again.makeDirectory())
	again.Release()
}
