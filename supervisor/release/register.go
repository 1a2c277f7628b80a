package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Registration describes a release that is to be registered.
type Registration struct {
	App, Version string
	Path         string // absolute
	InPlace      bool   // other versions are installed at the same path: a snapshot is kept
	By           int    // uid
	Deploy       bool   // supd is asked to deploy it as soon as it can
	Origin       string // Manual, which is also "", or a drop-in file

	stamp string
}

// Register makes an installed version known, and reports whether that has changed
// anything in the registry.
//
// A version that is registered already with the same files stays as it is. But one
// that is installed in place becomes the last registered one again, since it was
// installed again. If the files are others, a new snapshot is taken; the one before
// stays until Prune removes it, since a worker may run from it.
//
// The error is ErrChanging while files are still being installed.
func (s *Store) Register(ctx context.Context, r Registration) (now Release, changed bool, err error) {
	if err := r.check(); err != nil {
		return Release{}, false, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return Release{}, false, err
	}
	defer unlock()
	return s.register(ctx, r)
}

// ClearDeploy notes that supd has begun to deploy a release, as it was asked to.
func (s *Store) ClearDeploy(ctx context.Context, app, version string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := s.Get(app, version)
	if err != nil || !r.Deploy {
		return err
	}
	r.Deploy = false
	return s.write(r)
}

func (r *Registration) check() error {
	if err := checkNames(r.App, r.Version); err != nil {
		return err
	}
	if !filepath.IsAbs(r.Path) {
		return fmt.Errorf("%s %s: path %q is not absolute; name the directory from / on", r.App, r.Version, r.Path)
	}
	r.Path = filepath.Clean(r.Path)
	switch info, err := os.Stat(r.Path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s %s: %s does not exist; install the release first, or name its directory", r.App, r.Version, r.Path)
	case err != nil:
		return fmt.Errorf("%s %s: %w", r.App, r.Version, err)
	case !info.IsDir():
		return fmt.Errorf("%s %s: %s is not a directory; name the one that the release is in", r.App, r.Version, r.Path)
	}
	if r.Origin == "" {
		r.Origin = Manual
	}
	return r.resolve()
}

// resolve follows a link such as current: through it a running process would import
// from wherever the link leads next.
func (r *Registration) resolve() error {
	info, err := os.Lstat(r.Path)
	if err != nil || info.Mode().Type() != fs.ModeSymlink || r.InPlace {
		return err
	}
	r.Path, err = filepath.EvalSymlinks(r.Path)
	return err
}

// register is Register with the lock held. If it fails, all is as it was.
func (s *Store) register(ctx context.Context, r Registration) (now Release, changed bool, err error) {
	if err = s.prepare(r.App); err == nil {
		now, changed, err = s.change(ctx, r)
	}
	if err == nil {
		return now, changed, nil
	}
	if LacksRoom(err) {
		err = fmt.Errorf("%w; make room and register again", err)
	}
	return Release{}, false, errors.Join(err, s.clear(r.App))
}

// LacksRoom reports whether more room on the disk would help: it is full, or a quota is
// used up.
func LacksRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// change writes the record of a release, unless it would be the same.
func (s *Store) change(ctx context.Context, r Registration) (Release, bool, error) {
	all, _ := s.Releases(r.App) // a record that cannot be read is replaced, or is not this one's
	now := Release{App: r.App, Version: r.Version, Path: r.Path, RegisteredAt: time.Now().UTC().Round(0), By: r.By,
		Deploy: r.Deploy, Origin: r.Origin, Order: 1, stamp: r.stamp}
	var old Release
	for _, other := range all {
		now.Order = other.Order + 1
		if other.Version == r.Version {
			old = other
		}
	}
	taken, err := s.keep(ctx, r, &now, old)
	if err != nil {
		return Release{}, false, err
	}
	isLast := old.Order+1 == now.Order
	if old.Version != "" && old.Path == now.Path && old.Snapshot == now.Snapshot && (isLast || !r.InPlace) {
		now.RegisteredAt, now.Order, now.By = old.RegisteredAt, old.Order, old.By
	}
	now.Deploy = now.Deploy || old.Deploy
	if before, err := s.load(r.App, r.Version); err == nil && r.stamp == "" && before.stamp != "" {
		now.Origin, now.stamp = before.Origin, before.stamp // the package that ships the file still owns it
	}
	if now == old {
		return now, false, nil
	}
	if err := s.write(now); err != nil {
		if taken {
			err = errors.Join(err, removeAll(filepath.Dir(now.Snapshot)))
		}
		return Release{}, false, err
	}
	return now, true, nil
}

// keep sets the snapshot of a release that is installed in place: the newest one of
// the version if its files are still the same, or else a new one.
func (s *Store) keep(ctx context.Context, r Registration, now *Release, old Release) (taken bool, err error) {
	if !r.InPlace {
		return false, nil
	}
	numbers, err := s.numbers(r.App, r.Version)
	if err != nil {
		return false, err
	}
	if len(numbers) > 0 && (old.Version == "" || old.Path == r.Path) {
		// A snapshot without a record is of a process that was killed before it
		// wrote one.
		newest := s.tree(r.App, snapshotName(r.Version, numbers[len(numbers)-1]))
		same, err := isOf(ctx, newest, r.Path)
		if err != nil {
			return false, changing(err)
		}
		if same {
			now.Snapshot = newest
			return false, nil
		}
	}
	name, err := s.take(ctx, r.App, r.Version, r.Path)
	if err != nil {
		return false, fmt.Errorf("snapshot of %s: %w", r.Path, err)
	}
	now.Snapshot = s.tree(r.App, name)
	return true, nil
}

// isOf reports whether the snapshot is whole and has the files that are installed
// at path now. A snapshot that cannot be read has not.
func isOf(ctx context.Context, snapshot, path string) (bool, error) {
	entries, err := readManifest(filepath.Dir(snapshot))
	if err != nil {
		return false, nil
	}
	if found, err := audit(ctx, snapshot, entries, 1); err != nil || len(found) > 0 {
		return false, nil
	}
	kept, err := os.OpenRoot(snapshot)
	if err != nil {
		return false, nil
	}
	defer kept.Close()
	installed, err := openInstalled(path)
	if err != nil {
		return false, err
	}
	defer installed.close()
	c := comparison{ctx: ctx, entries: entries, installed: true, kept: kept, most: 1}
	err = c.run(installed)
	return len(c.found) == 0, err
}

// prepare makes an app's directories, and removes what a killed process has left
// there.
func (s *Store) prepare(app string) error {
	for _, dir := range []string{s.releases(app), s.snapshots(app)} {
		if err := files.MakeDirectories(dir); err != nil {
			return err
		}
		if err := sweep(dir); err != nil {
			return err
		}
	}
	return nil
}

// clear removes the app's directories that are empty.
func (s *Store) clear(app string) error {
	for _, dir := range []string{s.snapshots(app), s.releases(app), s.app(app)} {
		names, err := listNames(dir)
		if err == nil && len(names) == 0 {
			err = os.Remove(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
