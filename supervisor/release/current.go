package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"supd/privdrop/files"
)

const currentName = "current"

// SetCurrent points the app's symbolic link current to target, an absolute path, in
// one step; "" removes the link.
func (s *Store) SetCurrent(app, target string) error {
	if err := checkApp(app); err != nil {
		return err
	}
	link := filepath.Join(s.app(app), currentName)
	if target == "" {
		err := os.Remove(link)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if !filepath.IsAbs(target) {
		return fmt.Errorf("%s: target %q is not absolute", link, target)
	}
	if now, err := os.Readlink(link); err == nil && now == target {
		return nil // this needs no disk that can be written
	}
	if err := files.MakeDirectories(s.app(app)); err != nil {
		return err
	}
	fresh := filepath.Join(s.app(app), "."+currentName)
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a killed process
		return err
	}
	if err := os.Symlink(target, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, link); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return nil
}

// Current finds the release that the link current leads to. It needs no right to read the
// app's journal. The error is ErrUnknown where there is no link, or no release of that is
// registered any more.
func (s *Store) Current(app string) (Release, error) {
	if err := checkApp(app); err != nil {
		return Release{}, err
	}
	target, err := os.Readlink(filepath.Join(s.app(app), currentName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Release{}, err
	}
	all, listed := s.Releases(app)
	for _, r := range all {
		if err == nil && r.Files() == target {
			return r, nil
		}
	}
	return Release{}, errors.Join(ErrUnknown, listed)
}
