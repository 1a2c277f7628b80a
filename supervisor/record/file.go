package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// Writer replaces the file again and again.
type Writer struct {
	Log    *slog.Logger
	Path   string
	Boot   string
	Failed bool         // the last time
	text   bytes.Buffer // kept for the next time
}

// Write replaces the file. It is not synced: a machine that crashes takes the
// workers along.
func (w *Writer) Write(s *Record) {
	s.Boot = w.Boot
	w.text.Reset()
	err := json.NewEncoder(&w.text).Encode(s)
	if err == nil {
		err = ReplaceFile(w.Path, w.text.Bytes())
	}
	if err != nil && !w.Failed {
		w.Log.Error("what runs is not recorded: were supd killed, the next one would have to search for it", "file", w.Path, "error", err)
	}
	w.Failed = err != nil
}

// ReplaceFile puts data into the place of a file that only this user may read. It is
// not synced.
func ReplaceFile(path string, data []byte) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Read reads what an earlier supd has recorded in this boot of the machine; nil is
// nothing. What cannot be read is set aside: nothing is killed or
// started twice because of it, since the workers are searched for as well.
func Read(path, boot string) (*Record, error) {
	data, err := os.ReadFile(path)
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

// Parse reads a record, and refuses one that no supd can have written.
func Parse(data []byte) (*Record, error) {
	s := &Record{}
	if err := json.Unmarshal(data, s); err != nil {
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
