package release

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// full has something in every field.
func full() State {
	one := Rollout{ID: 1, Kind: "deploy", From: "0.9", To: "1.0", Step: "bake", By: "root (uid 0, pid 7)", StartedAt: noon, EndedAt: noon.Add(time.Minute), Result: "done", Reason: "none"}
	two := Rollout{ID: 2, Kind: "rollback", From: "1.0", To: "0.9", Step: "replace", By: "x", StartedAt: noon}
	return State{Active: "1.0", Place: &Place{Path: "/opt", Files: "/other"}, Previous: "0.9", Held: &Hold{By: "root", At: noon, Reason: "night"},
		Failed: map[string]Mark{"1.1": {At: noon, Reason: "exited"}}, Deployed: map[string]time.Time{"1.0": noon},
		Rollout: &two, Target: &Place{Path: "/opt", Files: "/state"}, History: []Rollout{one}, NextID: 3}
}

func openState(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// reads fails unless the journal has that state, for its writer and for readers.
func reads(t *testing.T, path string, want State) {
	t.Helper()
	if got, err := ReadState(path); err != nil || !reflect.DeepEqual(got, want.Clone()) {
		t.Errorf("read %+v, %v; want %+v", got, err, want)
	}
	j := openState(t, path)
	if got := j.State(); !reflect.DeepEqual(got, want.Clone()) {
		t.Errorf("opened %+v; want %+v", got, want)
	}
	j.Close()
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apps", "app", "state")
	if _, err := ReadState(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before all: %v", err)
	}
	j := openState(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || info.Size() != 2*slotSize {
		t.Errorf("%v, %v", info, err)
	}
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	if st.Blocks*512 < 2*slotSize {
		t.Errorf("only %d bytes are taken", st.Blocks*512)
	}
	j.Close()
	reads(t, path, State{})
	j = openState(t, path)
	for i := range 5 {
		must(t, j.Write(numbered(i)))
		if got := j.State(); got.NextID != i {
			t.Errorf("wrote %d, have %+v", i, got)
		}
	}
	must(t, j.Write(full()))
	j.Close()
	reads(t, path, full())
	if names, err := listNames(filepath.Dir(path)); len(names) != 1 || err != nil {
		t.Errorf("left are %q, %v", names, err)
	}
}

// TestStateIsACopy of what the journal has.
func TestStateIsACopy(t *testing.T) {
	j := openState(t, filepath.Join(t.TempDir(), "state"))
	s := full()
	must(t, j.Write(s))
	for _, s := range []State{s, j.State()} {
		s.Held.Reason, s.Rollout.Step, s.History[0].Result = "x", "x", "x"
		s.Place.Files, s.Target.Files = "x", "x"
		s.Failed["1.1"], s.Deployed["1.0"] = Mark{}, time.Time{}
	}
	if got := j.State(); !reflect.DeepEqual(got, full()) {
		t.Errorf("have %+v", got)
	}
	empty := State{}.Clone()
	empty.Failed["1"], empty.Deployed["1"] = Mark{}, noon // can be written
}

func TestOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	j := openState(t, path)
	if _, err := OpenJournal(path); !errors.Is(err, ErrBusy) {
		t.Errorf("in the same process: %v", err)
	}
	must(t, j.Write(full()))
	if got, err := ReadState(path); err != nil || got.Active != "1.0" {
		t.Errorf("a reader: %+v, %v", got, err)
	}
	j.Close()
	end := begin(t, helper(t, "open", path))
	if _, err := OpenJournal(path); !errors.Is(err, ErrBusy) {
		t.Errorf("in another process: %v", err)
	}
	end() // by SIGKILL
	reads(t, path, full())
}

// TestFirstWriter: of all that make a journal at once, or set it aside, one gets
// it.
func TestFirstWriter(t *testing.T) {
	for round := range 100 {
		path := filepath.Join(t.TempDir(), "state")
		put(t, filepath.Dir(path), "state.new", "of a process that was killed", 0o600)
		if round%2 == 1 {
			put(t, filepath.Dir(path), "state", "nothing readable", 0o600)
		}
		var all sync.WaitGroup
		var opened [8]*Journal
		for i := range opened {
			all.Go(func() {
				j, err := OpenJournal(path)
				if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrCorrupt) {
					t.Error(err)
				}
				opened[i] = j
			})
		}
		all.Wait()
		n := 0
		for _, j := range opened {
			if j != nil {
				n++
				must(t, j.Write(full()))
				j.Close()
			}
		}
		if n != 1 {
			t.Fatalf("%d have it", n)
		}
		reads(t, path, full())
	}
}

// TestTorn: the newer of the whole states counts.
func TestTorn(t *testing.T) {
	for name, damage := range map[string]func(slot []byte){
		"first byte":    func(b []byte) { b[0] ^= 1 },
		"format":        func(b []byte) { b[8] = 2 },
		"length":        func(b []byte) { b[15] = 0xff },
		"sequence":      func(b []byte) { b[23] ^= 1 },
		"checksum":      func(b []byte) { b[24] ^= 1 },
		"payload":       func(b []byte) { b[slotHeader+5] ^= 1 },
		"half":          func(b []byte) { clear(b[40:]) },
		"all":           func(b []byte) { clear(b) },
		"header is new": func(b []byte) { copy(b[slotHeader:], make([]byte, 100)) },
	} {
		path := filepath.Join(t.TempDir(), "state")
		j := openState(t, path)
		must(t, j.Write(numbered(7)))
		must(t, j.Write(numbered(8)))
		newest := int64(j.place) * slotSize
		j.Close()
		data, err := os.ReadFile(path)
		must(t, err)
		damage(data[newest : newest+slotSize])
		must(t, os.WriteFile(path, data, 0o600))
		reads(t, path, numbered(7))
		j = openState(t, path)
		must(t, j.Write(numbered(9))) // over the torn one
		j.Close()
		reads(t, path, numbered(9))
		data, err = os.ReadFile(path)
		must(t, err)
		damage(data[newest : newest+slotSize])
		must(t, os.WriteFile(path, data, 0o600))
		if got, err := ReadState(path); err != nil || got.NextID != 7 {
			t.Errorf("%s: the torn one was not written over: %+v, %v", name, got, err)
		}
	}
}

func TestTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	j := openState(t, path)
	must(t, j.Write(numbered(1))) // the first write, of State{}, was to the second slot
	must(t, j.Write(numbered(2)))
	first := numbered(2)
	if j.place == 1 {
		first = numbered(1)
	}
	j.Close()
	must(t, os.Truncate(path, slotSize))
	reads(t, path, first)
	j = openState(t, path)
	must(t, j.Write(numbered(3)))
	j.Close()
	reads(t, path, numbered(3))
}

func TestCorrupt(t *testing.T) {
	noise := make([]byte, 2*slotSize)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	path := filepath.Join(t.TempDir(), "state")
	for n, content := range [][]byte{nil, noise, make([]byte, 2*slotSize), noise[:10],
		slot{format: 1, sequence: 1, payload: []byte("no JSON")}.encode(), slot{format: 1, sequence: 1, payload: []byte(`{"active":1}`)}.encode()} {
		must(t, os.WriteFile(path, content, 0o600))
		if _, err := ReadState(path); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d: a reader: %v", n, err)
		}
		j, err := OpenJournal(path)
		aside := path + ".corrupt"
		if n > 0 {
			aside = fmt.Sprintf("%s.corrupt.%d", path, n+1)
		}
		if j == nil || !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path+": nothing in it is readable") || !strings.Contains(err.Error(), "; it is "+aside+" now") {
			t.Fatalf("%d: %v", n, err)
		}
		if got, err := os.ReadFile(aside); err != nil || string(got) != string(content) {
			t.Errorf("%d: set aside are %d bytes, %v; want %d", n, len(got), err, len(content))
		}
		if _, err := OpenJournal(path); !errors.Is(err, ErrBusy) {
			t.Errorf("%d: a second writer: %v", n, err)
		}
		must(t, j.Write(full()))
		j.Close()
		reads(t, path, full())
	}
}

func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	openState(t, path).Close()
	data, err := os.ReadFile(path)
	must(t, err)
	copy(data[slotSize:], slot{format: 2, sequence: 100, payload: []byte{1, 2, 3}}.encode())
	must(t, os.WriteFile(path, data, 0o600))
	want := "state: written by a newer supd, with journal format 2; this one knows 1"
	if _, err := OpenJournal(path); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if _, err := ReadState(path); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(data) {
		t.Errorf("the file has changed, %v", err)
	}
}

// TestUnknownFields: a later supd may have added some.
func TestUnknownFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	put(t, filepath.Dir(path), "state", string(slot{format: 1, sequence: 1, payload: []byte(`{"active":"1.0","canary":{"percent":5}}`)}.encode()), 0o600)
	reads(t, path, State{Active: "1.0"})
}

func TestNotAFile(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	must(t, os.Mkdir(dir+"/directory", 0o755))
	must(t, os.Symlink("fifo", dir+"/link"))
	for _, name := range []string{"fifo", "directory", "link"} {
		if j, err := OpenJournal(filepath.Join(dir, name)); j != nil || err == nil || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTooMuchHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	j := openState(t, path)
	long := strings.Repeat("ü", 5000)
	s := full()
	s.Held.Reason = long
	for i := range 120 {
		version := fmt.Sprint(i)
		s.History = append(s.History, Rollout{ID: i, To: version, Reason: long})
		s.Failed[version] = Mark{At: noon.Add(time.Duration(i)), Reason: long}
		s.Deployed[version] = noon.Add(time.Duration(i))
		must(t, j.Write(s))
	}
	s.Failed["0.9"], s.Deployed["0.9"] = Mark{}, time.Time{} // the oldest, but previous
	must(t, j.Write(s))
	got := j.State()
	j.Close()
	reads(t, path, got)
	if n := len(got.History); n > 50 || n > 0 && got.History[n-1].ID != 119 {
		t.Errorf("history of %d", n)
	}
	if n := len(got.Deployed); n != 100 || got.Deployed["119"].IsZero() || got.Deployed["1.0"].IsZero() {
		t.Errorf("deployed are %d: %v", n, got.Deployed)
	}
	if _, there := got.Deployed["0.9"]; !there {
		t.Error("the previous one is not among the deployed")
	}
	if n := len(got.Failed); n > 50 || got.Failed["119"].At.IsZero() {
		t.Errorf("failed are %d", n)
	}
	if r := got.Held.Reason; len(r) > reasonSize+len("…") || !strings.HasSuffix(r, "ü…") {
		t.Errorf("reason of %d bytes: %.20q", len(r), r[len(r)-20:])
	}
	if got.Active != "1.0" || got.Rollout == nil || got.NextID != 3 {
		t.Errorf("lost: %+v", got)
	}
	j = openState(t, path)
	if err := j.Write(State{Active: strings.Repeat("x", slotSize)}); err == nil {
		t.Error("what does not fit is written")
	}
	j.Close()
	reads(t, path, got)
}

func TestJournalOnFullDisk(t *testing.T) {
	disk := mountTmpfs(t, "size=1m")
	path := filepath.Join(disk, "app", "state")
	j := openState(t, path)
	free := fillUp(t, disk, 0)
	if err := os.WriteFile(filepath.Join(disk, "x"), []byte("x"), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	for i := range 10 {
		must(t, j.Write(numbered(i*290)))
	}
	j.Close()
	reads(t, path, numbered(9*290))
	// If there is none, none is made; if nothing is readable, the file stays.
	must(t, os.Remove(filepath.Join(disk, "x")))
	other := filepath.Join(disk, "app", "other")
	if j, err := OpenJournal(other); j != nil || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("made on a full disk: %v", err)
	}
	must(t, os.Truncate(path, 0))
	free()
	free = fillUp(t, disk, 5)
	defer free()
	if j, err := OpenJournal(path); j != nil || !errors.Is(err, unix.ENOSPC) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "nothing in it is readable") {
		t.Errorf("made anew on a full disk: %v", err)
	}
	if names, err := listNames(filepath.Dir(path)); strings.Join(names, " ") != "state" || err != nil {
		t.Errorf("left are %q, %v", names, err)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	disk := mountTmpfs(t, "size=1m")
	path := filepath.Join(disk, "state")
	j := openState(t, path)
	must(t, j.Write(full()))
	j.Close()
	must(t, unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	j = openState(t, path)
	if got := j.State(); !reflect.DeepEqual(got, full()) {
		t.Errorf("have %+v", got)
	}
	if err := j.Write(State{}); !errors.Is(err, unix.EROFS) {
		t.Errorf("written: %v", err)
	}
	if got := j.State(); !reflect.DeepEqual(got, full()) {
		t.Errorf("after a write that failed: %+v", got)
	}
	if _, err := OpenJournal(path); !errors.Is(err, ErrBusy) {
		t.Errorf("a second writer: %v", err)
	}
	if j, err := OpenJournal(filepath.Join(disk, "other")); j != nil || !errors.Is(err, unix.EROFS) {
		t.Errorf("made on a read-only disk: %v", err)
	}
	must(t, unix.Mount("", disk, "", unix.MS_REMOUNT, ""))
	must(t, j.Write(numbered(7)))
	if _, err := OpenJournal(path); !errors.Is(err, ErrBusy) {
		t.Errorf("a second writer once it can be written: %v", err)
	}
	must(t, j.Close())
	reads(t, path, numbered(7))
}

// TestReaderWhileWritten: another process reads whole states until the writer is
// killed; the next one goes on with the state that was read last, or a later one.
func TestReaderWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	last := 0
	for range 5 {
		end := begin(t, helper(t, "write", path))
		from := last
		for deadline := time.Now().Add(patience); last < from+50; {
			s, err := ReadState(path)
			if err != nil {
				t.Fatal(err)
			}
			if s.Active != numbered(s.NextID).Active {
				t.Fatalf("state %d has %d bytes", s.NextID, len(s.Active))
			}
			last = max(last, s.NextID)
			if time.Now().After(deadline) {
				t.Fatal("nothing is written")
			}
		}
		end()
		j := openState(t, path)
		s := j.State()
		if s.Active != numbered(s.NextID).Active || s.NextID < last {
			t.Errorf("state %d has %d bytes, and %d was read before", s.NextID, len(s.Active), last)
		}
		j.Close()
	}
}

// TestClaimMoved: the lock of a file that was set aside in the meantime does not
// count.
func TestClaimMoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	put(t, filepath.Dir(path), "state", "", 0o600)
	for _, now := range []string{"another", "none"} {
		file, err := os.Open(path)
		must(t, err)
		must(t, os.Rename(path, path+".corrupt"))
		if now == "another" {
			put(t, filepath.Dir(path), "state", "", 0o600)
		}
		if err := claim(file, path); !errors.Is(err, errMoved) {
			t.Errorf("%s is there: %v", now, err)
		}
		file.Close()
	}
}
