package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Import takes up the drop-in files in dir, APP_VERSION.toml with path and deploy.
// Each that is new, or was installed again since, registers its release; inPlace
// reports whether an app's releases are all installed at that path. The error joins
// what is wrong with files; the others are taken up.
//
// Gone are the releases whose file is no longer there. A snapshot may outlive it:
// whether such a release is forgotten is for the caller to know.
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

// takeUp registers what drop-in files name, as far as it can be.
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

// gone lists the releases that were registered by a file in dir which is not
// there any more. What is noted of forgotten ones is of no use then.
func (s *Store) gone(ctx context.Context, dir string) (gone []Release, err error) {
	apps, err := s.Apps()
	if err != nil {
		return nil, err
	}
	var forgotten []Release
	for _, app := range apps {
		all, _ := s.records(app) // what is wrong with one is said where they are listed
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
