package release

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"supd/privdrop/files"
)

// Release is one installed version of an app.
type Release struct {
	App, Version string
	Path         string    // its directory as its workers see it
	Snapshot     string    // where its files are kept, absolute; "" if each version has a Path of its own
	RegisteredAt time.Time // of these files
	By           int       // uid of who registered it
	Deploy       bool      // supd is asked to deploy it as soon as it can
	Origin       string    // Manual, or the drop-in file that it is registered by
	Order        int       // counts the registrations of an app; clocks may go back

	stamp     string // of the drop-in file
	forgotten bool   // it was unregistered, and its drop-in file must not register it again
}

// Manual is the Origin of what was registered by a command.
const Manual = "register"

// Files is the directory where the release's files can be read now.
func (r Release) Files() string {
	if r.Snapshot != "" {
		return r.Snapshot
	}
	return r.Path
}

// Present reports whether the release's files are there.
func (r Release) Present() bool {
	info, err := os.Stat(r.Files())
	return err == nil && info.IsDir()
}

// Releases lists an app's registered releases in the order of their registration.
// The error joins what is wrong with records; the others are listed.
func (s *Store) Releases(app string) ([]Release, error) {
	all, err := s.records(app)
	return slices.DeleteFunc(all, func(r Release) bool { return r.forgotten }), err
}

// records is Releases with the forgotten ones.
func (s *Store) records(app string) ([]Release, error) {
	if err := checkApp(app); err != nil {
		return nil, err
	}
	names, err := listNames(s.releases(app))
	if err != nil {
		return nil, err
	}
	var all []Release
	var errs []error
	for _, name := range names {
		version, ok := strings.CutSuffix(name, recordSuffix)
		if !ok || name[0] == '.' {
			continue
		}
		switch r, err := s.load(app, version); {
		case err == nil:
			all = append(all, r)
		case !errors.Is(err, ErrUnknown): // else it was removed meanwhile
			errs = append(errs, err)
		}
	}
	slices.SortFunc(all, func(a, b Release) int {
		return cmp.Or(a.Order-b.Order, a.RegisteredAt.Compare(b.RegisteredAt), strings.Compare(a.Version, b.Version))
	})
	return all, errors.Join(errs...)
}

// Apps lists the apps that have had a release registered, sorted.
func (s *Store) Apps() ([]string, error) {
	names, err := listNames(s.app(""))
	return slices.DeleteFunc(names, func(name string) bool {
		if checkApp(name) != nil {
			return true
		}
		_, err := os.Stat(s.releases(name))
		return errors.Is(err, fs.ErrNotExist)
	}), err
}

// Get gives one release. The error is ErrUnknown when it is not registered.
func (s *Store) Get(app, version string) (Release, error) {
	r, err := s.load(app, version)
	if err == nil && r.forgotten {
		return Release{}, unknown(app, version)
	}
	return r, err
}

func unknown(app, version string) error { return fmt.Errorf("%s %s: %w", app, version, ErrUnknown) }

// load reads the record of a release, also of a forgotten one.
func (s *Store) load(app, version string) (Release, error) {
	if err := checkNames(app, version); err != nil {
		return Release{}, err
	}
	path := s.recordFile(app, version)
	data, err := files.ReadOurs(path, smallSize)
	if errors.Is(err, fs.ErrNotExist) {
		return Release{}, unknown(app, version)
	}
	if err != nil {
		return Release{}, err
	}
	r, err := s.decode(data)
	if err == nil && (r.App != app || r.Version != version) {
		err = fmt.Errorf("is a record of %s %s", r.App, r.Version)
	}
	if err != nil {
		return Release{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
