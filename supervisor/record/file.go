package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
	"supd/supervisor/output"
)

// Writer replaces the file again and again.
type Writer struct {
	Log    *slog.Logger
	Path   string
	Boot   string
	Failed bool         // the last time
	text   bytes.Buffer // kept for the next time
}

// keptText is how much room for a text is kept for the next time, in bytes.
const keptText = 64 << 10

// Write replaces the file, or adds a Part to it. It is not synced: a machine that
// crashes takes the workers along.
func (w *Writer) Write(s *Record) {
	s.Boot = w.Boot
	w.text.Reset()
	var err error
	if s.Part && !w.Failed {
		err = w.add(part{s.Slots, s.Gone, s.Logs})
	} else {
		err = w.replace(s)
	}
	if err != nil && !w.Failed {
		w.Log.Error("what runs is not recorded: were supd killed, the next one would have to search for it", "file", w.Path, "error", err)
	}
	w.Failed = err != nil
	if w.text.Cap() > keptText { // a whole record of many workers
		w.text = bytes.Buffer{}
	}
}

func (w *Writer) replace(s *Record) error {
	if s.Part { // it is added to a record that is not there
		return errNoWhole
	}
	if err := json.NewEncoder(&w.text).Encode(s); err != nil {
		return err
	}
	return ReplaceFile(w.Path, w.text.Bytes())
}

// add writes a part behind the record, in one write: a supd that is killed in the
// middle of it leaves a last line that Parse leaves out.
func (w *Writer) add(p part) error {
	if err := json.NewEncoder(&w.text).Encode(p); err != nil {
		return err
	}
	file, err := os.OpenFile(w.Path, os.O_WRONLY|os.O_APPEND|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(w.text.Bytes())
	return errors.Join(err, file.Close())
}

// errNoWhole says that a whole record has to be written first.
var errNoWhole = errors.New("the record before it is missing")

// part is what follows a whole record in its file, once for each change.
type part struct {
	Changed []Slot                  `json:"changed"` // first those that are Gone go
	Gone    []string                `json:"gone,omitempty"`
	Logs    map[string]output.Count `json:"logs,omitempty"`
}

// ReplaceFile puts data into the place of a file that only this user may read. It is
// not synced.
func ReplaceFile(path string, data []byte) error {
	fresh := path + ".new"
	file, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// MostBytes is more than a file of supd's own in the runtime directory has.
const MostBytes = 512 << 20

// Read reads what an earlier supd has recorded in this boot of the machine; nil is
// nothing. What cannot be read is set aside: nothing is killed or
// started twice because of it, since the workers are searched for as well.
func Read(path, boot string) (*Record, error) {
	data, err := files.ReadOurs(path, MostBytes)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var s *Record
	if err == nil {
		s, err = Parse(data)
	}
	if err != nil {
		aside := path + ".unreadable"
		return nil, fmt.Errorf("%s cannot be used (kept as %s): %w", path, filepath.Base(aside), errors.Join(err, os.Rename(path, aside)))
	}
	if s.Boot != boot {
		return nil, nil
	}
	return s, nil
}

// Parse reads a record with the parts that follow it, and refuses one that no supd can
// have written.
func Parse(data []byte) (*Record, error) {
	s := &Record{}
	in := json.NewDecoder(bytes.NewReader(data))
	if err := in.Decode(s); err != nil {
		return nil, err
	}
	if err := s.takeParts(in); err != nil {
		return nil, err
	}
	if s.Format < 1 || s.Format > Format {
		return nil, fmt.Errorf("format %d is not one of this supd's, which knows %d", s.Format, Format)
	}
	if err := s.sound(); err != nil {
		return nil, err
	}
	return s, nil
}

// takeParts changes the record as the parts say that follow it. The last one may be
// torn: the supd that wrote it was killed.
func (s *Record) takeParts(in *json.Decoder) error {
	at := make(map[string]int, len(s.Slots)) // where the slot of a name stands
	for i := range s.Slots {
		at[s.Slots[i].Name()] = i
	}
	gone := map[int]bool{}
	for {
		var p part
		switch err := in.Decode(&p); {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			s.leaveOut(gone)
			return nil
		case err != nil:
			return err
		case p.Changed == nil:
			return errors.New("what follows the record is no change of it")
		}
		s.change(p, at, gone)
	}
}

// change takes a part into the record. Slots that are gone stay where they stand, for
// leaveOut, so that at holds for the next part.
func (s *Record) change(p part, at map[string]int, gone map[int]bool) {
	for _, name := range p.Gone {
		if i, known := at[name]; known {
			gone[i] = true
		}
	}
	for _, one := range p.Changed {
		i, known := at[one.Name()]
		if !known {
			at[one.Name()] = len(s.Slots)
			s.Slots = append(s.Slots, one)
			continue
		}
		s.Slots[i] = one
		delete(gone, i)
	}
	for _, name := range p.Gone {
		if i, known := at[name]; known && gone[i] {
			delete(at, name)
		}
	}
	if s.Logs == nil {
		s.Logs = p.Logs
		return
	}
	maps.Copy(s.Logs, p.Logs)
}

func (s *Record) leaveOut(gone map[int]bool) {
	left := s.Slots[:0]
	for i, one := range s.Slots {
		if !gone[i] {
			left = append(left, one)
		}
	}
	s.Slots = left
}
