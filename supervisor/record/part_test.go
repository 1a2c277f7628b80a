package record

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/output"
)

// TestParts: what was added to a record in parts is read as if it had been written
// whole, and a supd that was killed in the middle of the last part has not written it.
func TestParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	w := Writer{Log: slog.New(slog.DiscardHandler), Path: path, Boot: "this"}
	slot := func(number, generation int) Slot {
		s := Slot{App: "a", Process: "web", Number: number}
		s.Up, s.Generation = true, generation
		return s
	}
	logs := map[string]output.Count{"/log/web": {Written: 1}, "/log/other": {Written: 5}}
	w.Write(&Record{Format: Format, Slots: []Slot{slot(1, 1), slot(2, 1), slot(3, 1)}, Logs: logs})
	w.Write(&Record{Part: true, Slots: []Slot{slot(2, 7), slot(4, 1)}, Gone: []string{"a/web.3"}, Logs: map[string]output.Count{"/log/web": {Written: 2}}})
	w.Write(&Record{Part: true, Slots: []Slot{slot(3, 9)}, Gone: []string{"a/web.1", "a/web.3"}})
	logs = map[string]output.Count{"/log/web": {Written: 2}, "/log/other": {Written: 5}}
	want := []Slot{slot(2, 7), slot(4, 1), slot(3, 9)}
	text, err := os.ReadFile(path)
	if err != nil || w.Failed {
		t.Fatal(w.Failed, err)
	}
	for name, torn := range map[string][]byte{"whole": text, "torn": append(bytes.Clone(text), `{"changed":[{"app":"a","proc`...)} {
		r, err := Parse(torn)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, r.Slots) + cmp.Diff(logs, r.Logs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if w.Write(&Record{Part: true, Slots: []Slot{slot(1, 2)}}); !w.Failed {
		t.Error("a part is written without a record")
	}
	if w.Write(&Record{Format: Format, Slots: []Slot{slot(1, 2)}}); w.Failed {
		t.Error("a record is not written after a part that was not")
	}
}
