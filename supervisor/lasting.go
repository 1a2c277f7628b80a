package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"supd/privdrop/files"
	"supd/supervisor/api"
	"supd/supervisor/engine"
)

// lasting is the file of what was said of processes for longer than supd lives.
type lasting struct {
	path    string
	log     *slog.Logger
	writing *writing[map[string]api.Lasting]
	ended   chan struct{} // closed when all is written
}

const (
	lastingFormat = 1
	lastingMost   = 16 << 20 // bytes, more than such a file has
	lastingWaits  = 16       // so many may wait to be written
	lastingTime   = 2 * time.Second
)

// lastingFile is what the file holds.
type lastingFile struct {
	Format    int                    `json:"format"`
	Processes map[string]api.Lasting `json:"processes"`
}

func lastingPath(state string) string { return filepath.Join(state, "lasting.json") }

func newLasting(state string, log *slog.Logger, post func(engine.Event)) *lasting {
	l := &lasting{path: lastingPath(state), log: log, ended: make(chan struct{})}
	l.writing = startWriting(lastingWaits, post, l.write, func() { close(l.ended) })
	return l
}

// save runs in the owner's goroutine.
func (l *lasting) save(all map[string]api.Lasting, done func(error) engine.Event) {
	l.writing.add(all, done)
}

// close waits for what is to be written, within lastingTime.
func (l *lasting) close() {
	l.writing.close()
	select {
	case <-l.ended:
	case <-time.After(lastingTime):
		l.log.Error("what was said of processes for good", "error", errDiskWaits)
	}
}

func (l *lasting) write(all map[string]api.Lasting) error {
	dir := filepath.Dir(l.path)
	data, err := json.Marshal(lastingFile{lastingFormat, all})
	if err := errors.Join(err, files.MakeDirectories(dir)); err != nil {
		return err
	}
	return renameio.WriteFile(l.path, append(data, '\n'), 0o600, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
}

// read gives what was said. What cannot be read is set aside.
func (l *lasting) read() map[string]api.Lasting {
	all, err := readLasting(l.path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return all
	}
	aside := l.path + ".unreadable"
	l.log.Error("what was started or stopped for good is not known, autostart holds", "kept_as", aside, "error", errors.Join(err, os.Rename(l.path, aside)))
	return nil
}

func readLasting(path string) (map[string]api.Lasting, error) {
	data, err := files.ReadOurs(path, lastingMost)
	if err != nil {
		return nil, err
	}
	var f lastingFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Format != lastingFormat {
		return nil, fmt.Errorf("%s: format %d is not one of this supd's, which knows %d", path, f.Format, lastingFormat)
	}
	return f.Processes, nil
}
