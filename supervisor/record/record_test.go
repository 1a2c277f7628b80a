package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/output"
)

var update = flag.Bool("update", false, "add a file with all fields to testdata/state")

// whole is a record in which no field is empty.
func whole() *Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	return &Record{
		Format: Format, Boot: "9a6c44f1-43c2-4d5c-a8bb-1b3e6d3ff0aa", Pid: 400, Start: 900,
		Passed: map[string]int{"socket whois/web 0": 7, "output whois.web.2.6": 9},
		Logs:   map[string]output.Count{"/var/log/supd/whois/web.log": {Written: 4711, Dropped: 12}},
		Slots: []Slot{{
			App: "whois", Process: "web", Number: 2, Removed: true,
			SlotState: SlotState{Up: true, Gated: true, Done: true, GaveUp: true,
				Retry: at.Add(time.Second), InARow: 3, Generation: 7, PutOff: true, Restarts: 4, Failures: 5, Trouble: "not ready within 30s",
				LastExit: &api.Exit{Code: -1, Signal: "SIGKILL", At: at, Reason: "killed by SIGKILL"}, LastClean: true, Scaled: 3,
				Well: &Well{Files: "/opt/whois/1.4.0", Exit: &api.Exit{Code: 2, Signal: "SIGTERM", At: at, Reason: "exited with code 2"}},
				Tally: measure.Tally{Past: used(time.Minute), RestartsBy: map[measure.Reason]int{measure.Signaled: 4},
					Starts: measure.Durations{Sum: time.Second, Buckets: map[int]int64{0: 1}}, Cause: measure.Exited, Recent: measure.Recent{5_910_000: 2}}},
			Workers: []Worker{{
				WorkerState: WorkerState{Generation: 6, State: api.Stopping,
					Launched: at.Add(-time.Minute), Applied: at.Add(-time.Hour), Ready: at.Add(-50 * time.Second), Deadline: at.Add(time.Minute),
					Draining: true, Failure: "unhealthy", Illness: "no answer", Steps: []configs.StopStep{{Signal: unix.SIGQUIT, Wait: 10 * time.Second, Group: true}}, Group: true,
					Sent: []unix.Signal{unix.SIGTERM}, Killed: true, Used: used(time.Second)},
				Process: Process{Pid: 4711, Identity: Identity{Start: 123456, Inode: 98765}, Adopted: true,
					Belongings: Belongings{Directory: "/run/supd/workers/whois.web.2.6", Cgroup: "/sys/fs/cgroup/supd/whois.web.2.6",
						Pipe: 555, ErrorPipe: 556, Notify: true, Sockets: map[string]uint64{"web": 1001, "probe": 1002}, Statsd: 40001, StatsdInode: 1003}},
				Key: "0123456789abcdef01234567", Old: true,
				Release: &configs.Version{Name: "1.4.0", Path: "/opt/whois/1.4.0", Files: "/opt/whois/1.4.0"}, Version: "1.3.0",
				Log: "/var/log/supd/whois/web.log", Stop: []configs.StopStep{{Signal: unix.SIGTERM, Wait: 35 * time.Second, Group: true}},
			}},
		}},
	}
}

func used(most time.Duration) measure.Usage {
	return measure.Usage{CPU: most, Read: 4096, Written: 512, Deaths: 3, QueueWait: most / 2, CPUWaiting: most / 3, MemoryWaiting: most / 4,
		IOWaiting: most / 5, Throttled: most / 6, OOMKills: 1}
}

// empties are the fields of v, and of what is in it, that have their zero value.
func empties(v reflect.Value, path string) (all []string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return []string{path}
		}
		return empties(v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, empties(v.Index(i), path+"[]")...)
		}
	case reflect.Struct:
		if _, isTime := v.Interface().(time.Time); isTime {
			break
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("json") != "-" {
				all = append(all, empties(v.Field(i), path+"."+f.Name)...)
			}
		}
		return all
	}
	if v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return []string{path}
	}
	return all
}

// What any supd of this format and of the one before has written is read as it was
// meant: nothing of it is missing when it is written again. The files are never
// changed, since such records are out there; a field that is added is in another.
func TestRecordsOfEveryFormat(t *testing.T) {
	if missing := empties(reflect.ValueOf(whole()), "saved"); len(missing) > 0 {
		t.Errorf("the record of this test does not have %v", missing)
	}
	files, err := filepath.Glob("testdata/state/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		files = append(files, writeRecord(t, len(files)+1))
	}
	complete := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%s cannot be read: %v", file, err)
			continue
		}
		complete = complete || reflect.DeepEqual(s, whole())
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var was, is any
		if err := errors.Join(json.Unmarshal(text, &was), json.Unmarshal(again, &is)); err != nil {
			t.Fatal(err)
		}
		for _, lost := range lacks(is, was, "saved") {
			t.Errorf("%s: of what it says this is not understood: %s", file, lost)
		}
	}
	if !complete {
		t.Errorf("no file of %v has all fields of today; add one with -update", files)
	}
}

func writeRecord(t *testing.T, number int) string {
	text, err := json.MarshalIndent(whole(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	file := "testdata/state/" + strconv.Itoa(number) + ".json"
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// lacks are the places of was that are something else in is, or nothing.
func lacks(is, was any, at string) (all []string) {
	switch was := was.(type) {
	case map[string]any:
		m, _ := is.(map[string]any)
		for name, value := range was {
			all = append(all, lacks(m[name], value, at+"."+name)...)
		}
	case []any:
		l, _ := is.([]any)
		for i, value := range was {
			if i >= len(l) {
				return append(all, at+"["+strconv.Itoa(i)+"]")
			}
			all = append(all, lacks(l[i], value, at+"["+strconv.Itoa(i)+"]")...)
		}
	default:
		if !reflect.DeepEqual(is, was) {
			all = append(all, at)
		}
	}
	return all
}

// What the next version adds must not keep this one from reading its record: a
// package may be put back.
func TestRecordWithFieldsOfALaterSupd(t *testing.T) {
	text, err := json.Marshal(whole())
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(text), `"pid":4711`, `"pid":4711,"colour":{"of":["the","year"]}`, 1)
	got, err := Parse([]byte(later))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, whole()) {
		t.Errorf("read as %+v", got)
	}
}

// What a supd cannot have written is not believed: directories are removed, pids
// signalled and cgroups emptied because of it.
func TestRecordThatNoSupdHasWritten(t *testing.T) {
	for name, spoil := range map[string]func(*Record){
		"format 0":                      func(s *Record) { s.Format = 0 },
		"a later format":                func(s *Record) { s.Format = Format + 1 },
		"pid 1":                         func(s *Record) { s.Slots[0].Workers[0].Pid = 1 },
		"pid of a group":                func(s *Record) { s.Slots[0].Workers[0].Pid = -4711 },
		"no start time":                 func(s *Record) { s.Slots[0].Workers[0].Identity.Start = 0 },
		"generation of the future":      func(s *Record) { s.Slots[0].Workers[0].Generation = 8 },
		"directory of nobody":           func(s *Record) { s.Slots[0].Workers[0].Belongings.Directory = "/" },
		"directory of another":          func(s *Record) { s.Slots[0].Workers[0].Belongings.Directory = "/run/supd/workers/whois.web.2.5" },
		"directory that is not clean":   func(s *Record) { s.Slots[0].Workers[0].Belongings.Directory = "whois.web.2.6" },
		"cgroup of all":                 func(s *Record) { s.Slots[0].Workers[0].Belongings.Cgroup = "/sys/fs/cgroup" },
		"state of a slot":               func(s *Record) { s.Slots[0].Workers[0].State = api.Backoff },
		"unknown state":                 func(s *Record) { s.Slots[0].Workers[0].State = "SLEEPING" },
		"negative slot":                 func(s *Record) { s.Slots[0].Number = -1 },
		"slot that fills the memory":    func(s *Record) { s.Slots[0].Number = 1 << 40 },
		"no app":                        func(s *Record) { s.Slots[0].App = "" },
		"process that is a path":        func(s *Record) { s.Slots[0].Process = "../web" },
		"the same slot twice":           func(s *Record) { s.Slots = append(s.Slots, s.Slots[0]) },
		"one pid for two":               func(s *Record) { w := &s.Slots[0].Workers; *w = append(*w, (*w)[0]) },
		"standard error is passed on":   func(s *Record) { s.Passed["socket whois/web 0"] = 2 },
		"descriptor that cannot be one": func(s *Record) { s.Passed["socket whois/web 0"] = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := whole()
			spoil(s)
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Parse(text); err == nil {
				t.Errorf("is believed: %+v", got)
			}
		})
	}
}

// A record that cannot be used is kept for people, and is no reason not to start.
func TestUnreadableRecordIsSetAside(t *testing.T) {
	text, err := json.Marshal(whole())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": {}, "zeros": make([]byte, 4096), "truncated": text[:len(text)/2], "another file behind it": append(bytes.Clone(text), text...),
		"noise": {0xde, 0xad, 0xbe, 0xef, '{', '"', 0xff}, "null": []byte("null"), "a list": []byte("[1,2,3]"), "deep": bytes.Repeat([]byte("["), 20000),
		"a later format": []byte(`{"format": 99, "boot": "x", "slots": {"all": "different"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path, whole().Boot)
			if err == nil || got != nil {
				t.Fatalf("read as %+v, %v", got, err)
			}
			if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name %s: %v", path, err)
			}
			if kept, err := os.ReadFile(path + ".unreadable"); err != nil || !bytes.Equal(kept, data) {
				t.Errorf("it was not kept as it was: %v", err)
			}
		})
	}
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "state.json"), 0o700); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(filepath.Join(dir, "state.json"), whole().Boot); err == nil || got != nil {
			t.Fatalf("read as %+v, %v", got, err)
		}
	})
	t.Run("of another boot", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "state.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(filepath.Join(dir, "state.json"), "another"); err != nil || got != nil {
			t.Fatalf("read as %+v, %v; want nothing, in silence", got, err)
		}
	})
}

// Whatever is read can be written again, and leads nowhere but to the
// directories of its own workers.
func FuzzSaved(f *testing.F) {
	text, err := json.Marshal(whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)-9])
	f.Add(bytes.Replace(text, []byte(`"number":2`), []byte(`"number":0`), 1))
	f.Add(bytes.Replace(text, []byte("STOPPING"), []byte("STARTING"), 1))
	f.Add([]byte(`{"format":1,"slots":[{"app":"a","process":"b","number":1,"generation":1,"workers":[{"pid":2,"identity":{"start":1},"generation":1,"state":"RUNNING"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("is read, but cannot be written: %v", err)
		}
		if same, err := Parse(again); err != nil || len(same.Slots) != len(s.Slots) {
			t.Fatalf("%s is read as another: %v", again, err)
		}
		for i := range s.Slots {
			for k := range s.Slots[i].Workers {
				w := &s.Slots[i].Workers[k]
				if d := w.Belongings.Directory; d != "" && filepath.Base(d) != s.Slots[i].File(w.Generation) {
					t.Errorf("%s would be removed", d)
				}
			}
		}
	})
}
