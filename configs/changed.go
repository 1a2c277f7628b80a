package configs

import (
	"crypto/sha256"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"
)

// read is a file as it was read.
type read struct {
	at  stamp
	sum [sha256.Size]byte
}

// stamp is the same while nobody has written a file, nor put another in its place.
type stamp struct {
	inode, size uint64
	modified    time.Time
}

func stampOf(info os.FileInfo) stamp {
	s := stamp{size: uint64(info.Size()), modified: info.ModTime()}
	if st, is := info.Sys().(*syscall.Stat_t); is {
		s.inode = st.Ino
	}
	return s
}

// FileState says how a file differs from what was applied.
type FileState string

// The states of a file.
const (
	FileNew     FileState = "new"     // it was never applied
	FileChanged FileState = "changed" // since it was applied
	FileGone    FileState = "gone"    // likewise
)

// File is a file of the configuration that is not as it was applied.
type File struct {
	App   string    `json:"app"`  // "": it is supd.toml
	Path  string    `json:"file"` // relative to supd.toml's directory where it lies below it
	State FileState `json:"state"`
}

// Unapplied gives the files that are not as they were read, new ones included, in the
// order of their paths. It reads a file only if that was written since.
func (c *Config) Unapplied() (all []File, err error) {
	there, err := appsIn(c.Daemon.Apps)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(c.files)), there...)))) {
		state := c.stateOf(path)
		if state == "" {
			continue
		}
		f := File{appName(path), displayed(c.home, path), state}
		if path == c.Path {
			f.App = ""
		}
		all = append(all, f)
	}
	return all, nil
}

// stateOf is "" for a file that is as it was read.
func (c *Config) stateOf(path string) FileState {
	_, known := c.files[path]
	switch {
	case !known:
		return FileNew
	case c.isAsRead(path):
		return ""
	}
	if _, err := os.Lstat(path); err != nil {
		return FileGone
	}
	return FileChanged
}

// Changed counts the files that are not as they were read, and names the apps whose
// file it is.
func (c *Config) Changed() (apps map[string]bool, count int, err error) {
	all, err := c.Unapplied()
	if err != nil {
		return nil, 0, err
	}
	apps = map[string]bool{}
	for _, f := range all {
		if f.App != "" {
			apps[f.App] = true
		}
	}
	return apps, len(all), nil
}

func (c *Config) isAsRead(path string) bool {
	was, known := c.files[path]
	info, err := os.Stat(path)
	if !known || err != nil {
		return false
	}
	if stampOf(info) == was.at {
		return true
	}
	data, err := readRegular(path)
	return err == nil && sha256.Sum256(data) == was.sum
}
