package release

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

const (
	recordSuffix = ".json"
	recordFormat = 1
	smallSize    = 64 << 10 // the most bytes that a record or a drop-in file may have
)

// record is a Release as it is stored.
type record struct {
	Format       int       `json:"format"`
	App          string    `json:"app"`
	Version      string    `json:"version"`
	Path         string    `json:"path"`
	Snapshot     string    `json:"snapshot,omitempty"` // its name, not its path: the state directory may be moved
	RegisteredAt time.Time `json:"registered_at"`
	By           int       `json:"by"`
	Deploy       bool      `json:"deploy,omitempty"`
	Origin       string    `json:"origin"`
	Stamp        string    `json:"stamp,omitempty"`
	Order        int       `json:"order"`
	Forgotten    bool      `json:"forgotten,omitempty"`
}

func encode(r Release) ([]byte, error) {
	name := ""
	if r.Snapshot != "" {
		name = filepath.Base(filepath.Dir(r.Snapshot))
	}
	data, err := json.MarshalIndent(record{Format: recordFormat, App: r.App, Version: r.Version, Path: r.Path, Snapshot: name,
		RegisteredAt: r.RegisteredAt, By: r.By, Deploy: r.Deploy, Origin: r.Origin, Stamp: r.stamp, Order: r.Order, Forgotten: r.forgotten}, "", "  ")
	return append(data, '\n'), err
}

// decode reads a record, and refuses what would lead out of the registry.
func (s *Store) decode(data []byte) (Release, error) {
	var in record
	if err := json.Unmarshal(data, &in); err != nil {
		return Release{}, fmt.Errorf("unreadable record: %w; register the release again", err)
	}
	if in.Format > recordFormat {
		return Release{}, fmt.Errorf("%w, with record format %d; this one knows %d", ErrNewer, in.Format, recordFormat)
	}
	if err := checkNames(in.App, in.Version); err != nil {
		return Release{}, err
	}
	if !filepath.IsAbs(in.Path) {
		return Release{}, fmt.Errorf("path %q is not absolute", in.Path)
	}
	r := Release{App: in.App, Version: in.Version, Path: in.Path, RegisteredAt: in.RegisteredAt,
		By: in.By, Deploy: in.Deploy, Origin: in.Origin, stamp: in.Stamp, Order: in.Order, forgotten: in.Forgotten}
	if in.Snapshot != "" {
		if version, _, ok := parseSnapshot(in.Snapshot); !ok || version != in.Version {
			return Release{}, fmt.Errorf("%q is no snapshot of %s", in.Snapshot, in.Version)
		}
		r.Snapshot = s.tree(in.App, in.Snapshot)
	}
	return r, nil
}

// write replaces the record of a release. The lock is held.
func (s *Store) write(r Release) error {
	data, err := encode(r)
	if err != nil {
		return err
	}
	dir := s.releases(r.App)
	// By default renameio would try TMPDIR first.
	err = renameio.WriteFile(s.recordFile(r.App, r.Version), data, 0o644, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o644))
	if err != nil {
		return err
	}
	return syncDirectory(dir)
}

// snapshotName names the nth snapshot of a version.
func snapshotName(version string, n int) string { return version + "." + strconv.Itoa(n) }

// parseSnapshot is the reverse of snapshotName. It splits at the last dot, since
// versions have dots themselves.
func parseSnapshot(name string) (version string, n int, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", 0, false
	}
	version = name[:i]
	n, err := strconv.Atoi(name[i+1:])
	return version, n, err == nil && n > 0 && checkVersion(version) == nil && snapshotName(version, n) == name
}
