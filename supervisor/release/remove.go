package release

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Unregister forgets a release, and removes those of its snapshots that no process
// has mounted; Prune removes the others later. A release that is not registered is
// no error. The caller decides whether the release may go.
//
// Its drop-in file, if still there, does not register it again unless it is
// installed again.
func (s *Store) Unregister(ctx context.Context, app, version string) error {
	if err := checkNames(app, version); err != nil {
		return err
	}
	if _, err := os.Stat(s.releases(app)); errors.Is(err, fs.ErrNotExist) {
		return nil // without a lock, which cannot be made on a read-only disk
	}
	names, err := s.forgetVersion(ctx, app, version)
	if err != nil || len(names) == 0 {
		return err
	}
	inUse, unlock, err := s.lookAndLock(ctx, app)
	if err != nil {
		return nil // in a chroot without /proc, say: they are left to Prune
	}
	defer unlock()
	now, err := s.Get(app, version)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil // likewise: it may point to any of them
	}
	err = nil
	for _, name := range names {
		if !inUse[name] && now.Snapshot != s.tree(app, name) { // else it was registered again meanwhile
			err = errors.Join(err, s.discard(app, name))
		}
	}
	return err
}

// forgetVersion forgets a release, and names the snapshots that it has had.
func (s *Store) forgetVersion(ctx context.Context, app, version string) (snapshots []string, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.unregister(app, version); err != nil {
		return nil, err
	}
	return s.snapshotsOf(app, version)
}

// A look at what is in use holds while the lock is got at once. Who waits for the lock looks
// again, a few times.
const (
	freshTime = time.Second
	mostLooks = 5
)

// lookAndLock tells what is in use, and locks the registry: in this order, so that nobody
// who registers waits for a look at all processes of the machine.
func (s *Store) lookAndLock(ctx context.Context, app string) (inUse map[string]bool, unlock func(), err error) {
	for range mostLooks {
		if inUse, err = s.busy(ctx, app); err != nil {
			return nil, nil, err
		}
		seen := time.Now()
		if unlock, err = s.lock(ctx); err != nil {
			return nil, nil, err
		}
		if time.Since(seen) < freshTime {
			return inUse, unlock, nil
		}
		unlock()
	}
	return nil, nil, errors.New("other processes change the registry all the time")
}

// unregister removes the record of a release. While its drop-in file is there, it
// marks the record as forgotten instead.
func (s *Store) unregister(app, version string) error {
	r, err := s.load(app, version)
	if err != nil || !r.isShipped() {
		return s.forget(app, version) // also a record that cannot be read
	}
	r.forgotten, r.Snapshot, r.Deploy = true, "", false
	if err := s.write(r); err != nil { // the disk is full: removing is better than nothing
		return s.forget(app, version)
	}
	return nil
}

// isShipped reports whether the drop-in file that registered r is still there.
func (r Release) isShipped() bool {
	if r.stamp == "" {
		return false
	}
	_, err := os.Lstat(r.Origin)
	return err == nil
}

// Prune forgets the oldest releases of an app that is installed in place, until
// keep of the inactive ones are left, and removes the snapshots that belong to no
// release. It returns the names of the removed snapshots, such as "1.4.0.1".
//
// A snapshot stays if protected says so, which is called with its directory and
// version while the registry is locked. So do the release that was registered last,
// one that is still to be deployed, and a snapshot that some process has mounted. With an
// error of the look at those, all stay.
func (s *Store) Prune(ctx context.Context, app string, keep int, protected func(snapshot, version string) bool) (removed []string, err error) {
	if err := checkApp(app); err != nil {
		return nil, err
	}
	names, err := listNames(s.snapshots(app))
	if err != nil || len(names) == 0 {
		return nil, err
	}
	inUse, unlock, err := s.lookAndLock(ctx, app)
	if err != nil {
		return nil, err // any of them may be in use
	}
	defer unlock()
	if err := sweep(s.snapshots(app)); err != nil {
		return nil, err
	}
	stays := func(name string) bool {
		version, _, ok := parseSnapshot(name)
		return !ok || inUse[name] || protected != nil && protected(s.tree(app, name), version)
	}
	all, err := s.Releases(app)
	if err != nil {
		return nil, err // a record that cannot be read may point to any snapshot
	}
	if err := s.forgetOld(all, keep, stays); err != nil {
		return nil, err
	}
	return s.discardOrphans(app, stays)
}

// forgetOld forgets the inactive releases that have a snapshot, except the keep
// newest.
func (s *Store) forgetOld(all []Release, keep int, stays func(name string) bool) error {
	var inactive []Release
	for i, r := range all {
		if r.Snapshot != "" && i != len(all)-1 && !r.Deploy && !stays(filepath.Base(filepath.Dir(r.Snapshot))) {
			inactive = append(inactive, r)
		}
	}
	for _, r := range inactive[:max(0, len(inactive)-keep)] {
		if err := s.unregister(r.App, r.Version); err != nil {
			return err
		}
	}
	return nil
}

// discardOrphans removes the snapshots that no record points to.
func (s *Store) discardOrphans(app string, stays func(name string) bool) (removed []string, err error) {
	all, err := s.Releases(app)
	if err != nil {
		return nil, err
	}
	names, err := listNames(s.snapshots(app))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		tree := s.tree(app, name)
		if stays(name) || slices.ContainsFunc(all, func(r Release) bool { return r.Snapshot == tree }) {
			continue
		}
		if err := s.discard(app, name); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// snapshotsOf names the snapshots of a version, the oldest first.
func (s *Store) snapshotsOf(app, version string) ([]string, error) {
	numbers, err := s.numbers(app, version)
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = snapshotName(version, n)
	}
	return names, err
}

// forget removes the record of a release, if there is one.
func (s *Store) forget(app, version string) error {
	err := os.Remove(s.recordFile(app, version))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDirectory(s.releases(app))
}

// discard removes a snapshot. It is renamed first, so that no snapshot is ever
// there in part.
func (s *Store) discard(app, name string) error {
	old := filepath.Join(s.snapshots(app), ".old-"+rand.Text()[:10])
	if err := os.Rename(filepath.Join(s.snapshots(app), name), old); err != nil {
		return err
	}
	return removeAll(old)
}
