package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Import registers the releases of the drop-in files in dir that are new, or were
// installed again since. A file is APP_VERSION.toml with path and deploy; inPlace
// reports whether an app's releases are all installed at that path. The error joins
// what is wrong with files, and does not keep the others from being registered.
//
// gone lists the releases whose file is no longer there. A snapshot may outlive the
// file, so the caller decides whether to forget such a release.
func (s *Store) Import(ctx context.Context, dir string, inPlace func(app, path string) bool, by int) (imported, gone []Release, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, nil, err
	}
	names, err := listNames(dir)
	if err != nil {
		return nil, nil, err
	}
	var fresh []dropIn
	var errs []error
	for _, name := range names {
		if name[0] == '.' || !strings.HasSuffix(name, dropInSuffix) {
			continue // dpkg and editors have files of their own for a moment
		}
		d, err := readDropIn(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
		case err != nil:
			errs = append(errs, err)
		case !s.hasTaken(d):
			fresh = append(fresh, d)
		}
	}
	if len(fresh) > 0 {
		imported, err = s.takeUp(ctx, fresh, inPlace, by)
		errs = append(errs, err)
	}
	gone, err = s.gone(ctx, dir)
	return imported, gone, errors.Join(append(errs, err)...)
}

func (s *Store) hasTaken(d dropIn) bool {
	r, err := s.load(d.app, d.version)
	return err == nil && r.Origin == d.file && r.stamp == d.stamp
}

// takeUp registers the releases of drop-in files, as far as that is possible.
func (s *Store) takeUp(ctx context.Context, fresh []dropIn, inPlace func(app, path string) bool, by int) (imported []Release, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var errs []error
	for _, d := range fresh {
		if s.hasTaken(d) {
			continue // by another process, just now
		}
		r := Registration{App: d.app, Version: d.version, Path: d.Path, By: by, Deploy: d.Deploy, Origin: d.file, stamp: d.stamp}
		err := r.check()
		if err == nil {
			r.InPlace = inPlace(d.app, r.Path)
			var now Release
			if now, _, err = s.register(ctx, r); err == nil {
				imported = append(imported, now)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.file, err))
		}
	}
	return imported, errors.Join(errs...)
}

// gone lists the releases that were registered by a file in dir that is not there
// any more. The records of forgotten ones among them are removed: they are needed
// only while the file is there.
func (s *Store) gone(ctx context.Context, dir string) (gone []Release, err error) {
	apps, err := s.Apps()
	if err != nil {
		return nil, err
	}
	var forgotten []Release
	for _, app := range apps {
		all, _ := s.records(app) // Releases reports a record that cannot be read
		for _, r := range all {
			switch {
			case r.stamp == "" || filepath.Dir(r.Origin) != dir || r.isShipped():
			case r.forgotten:
				forgotten = append(forgotten, r)
			default:
				gone = append(gone, r)
			}
		}
	}
	if len(forgotten) == 0 {
		return gone, nil
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return gone, err
	}
	defer unlock()
	for _, r := range forgotten {
		if now, loadErr := s.load(r.App, r.Version); loadErr == nil && now.forgotten && !now.isShipped() {
			err = errors.Join(err, s.forget(r.App, r.Version))
		}
	}
	return gone, err
}
