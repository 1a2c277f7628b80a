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

// Changed compares the files with what was read: apps are those whose file says
// something else or is gone, and count is the number of all files that do, supd.toml and
// new ones included. It reads a file only if that was written since.
func (c *Config) Changed() (apps map[string]bool, count int, err error) {
	apps = map[string]bool{}
	files, err := appsIn(c.Daemon.Apps)
	if err != nil {
		return nil, 0, err
	}
	for _, path := range slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(c.files)), files...)))) {
		if c.isAsRead(path) {
			continue
		}
		count++
		if path != c.Path {
			apps[appName(path)] = true
		}
	}
	return apps, count, nil
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
