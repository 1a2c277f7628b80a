package release

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzJournal: a State that can be read can be written and read again.
func FuzzJournal(f *testing.F) {
	payload, err := json.Marshal(full())
	must(f, err)
	f.Add(slot{format: 1, sequence: 1, payload: payload}.encode(), slot{format: 1, sequence: 2, payload: payload}.encode(), payload, true)
	f.Add([]byte{}, slot{format: 2, sequence: 1}.encode(), []byte(`{"history":[{}],"failed":{"":{}}}`), true)
	f.Add([]byte(slotMagic), bytes.Repeat([]byte{0xff}, 40), []byte("null"), false)
	f.Fuzz(func(t *testing.T, first, second, payload []byte, valid bool) {
		if valid { // a checksum is not easily guessed
			second = slot{format: 1, sequence: 3, payload: payload}.encode()
		}
		file := make([]byte, slotSize, 2*slotSize)
		copy(file, first)
		file = append(file, second[:min(len(second), slotSize)]...)
		holds, place, state, err := readSlots(bytes.NewReader(file))
		if err != nil {
			return
		}
		if holds.sequence == 0 || place < 0 || place > 1 {
			t.Fatalf("slot %d with sequence %d", place, holds.sequence)
		}
		written, left, err := fit(state)
		if err != nil {
			return // escapes have made it too large
		}
		var again State
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		rewritten, _, err := fit(again)
		if err != nil || !bytes.Equal(written, rewritten) {
			t.Fatalf("written %s, then %s, %v; left was %+v", written, rewritten, err, left)
		}
	})
}

// FuzzRecord: a record that can be read is written as it was read, and its paths
// stay in the registry.
func FuzzRecord(f *testing.F) {
	s := Open("/state")
	good, err := encode(Release{App: "app", Version: "1.0", Path: "/opt", Snapshot: s.tree("app", "1.0.1"), RegisteredAt: noon, Order: 3, Origin: Manual})
	must(f, err)
	f.Add(good)
	f.Add([]byte(`{"format":1,"app":"app","version":"1","path":"/","snapshot":"1.01"}`))
	f.Add([]byte(`{"app":"../x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := s.decode(data)
		if err != nil {
			return
		}
		if r.Snapshot != "" && (r.Snapshot != filepath.Clean(r.Snapshot) || !strings.HasPrefix(r.Snapshot, "/state/apps/"+r.App+"/snapshots/"+r.Version+".")) {
			t.Fatalf("the snapshot is %q", r.Snapshot)
		}
		written, err := encode(r)
		if err != nil {
			return // a year of five digits, which JSON cannot have
		}
		again, err := s.decode(written)
		if err != nil || !again.RegisteredAt.Equal(r.RegisteredAt) {
			t.Fatalf("%+v is written as %s and read as %+v, %v", r, written, again, err)
		}
		again.RegisteredAt = r.RegisteredAt
		if again != r {
			t.Fatalf("%+v is read as %+v", r, again)
		}
	})
}

// FuzzManifest: a manifest that can be read is written as it was read, and can be
// compared with any tree.
func FuzzManifest(f *testing.F) {
	root := installed(f)
	f.Add(encodeManifest([]entry{{name: ".", kind: 'd', mode: 0o755}, {depth: 1, name: "a\nb", kind: 'f', mtime: -1, from: source{mtime: 5, ino: 7}}}))
	f.Add([]byte(manifestFormat + "\x00end 0\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeManifest(data)
		if err != nil {
			return
		}
		again, err := decodeManifest(encodeManifest(entries))
		if err != nil || !reflect.DeepEqual(entries, again) {
			t.Fatalf("%v is read as %v, %v", entries, again, err)
		}
		if _, err := audit(context.Background(), root, entries, 0); err != nil && len(entries) > 0 {
			t.Fatal(err)
		}
	})
}
