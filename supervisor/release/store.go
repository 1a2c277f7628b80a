package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Errors that a caller may tell apart, by errors.Is.
var (
	ErrUnknown  = errors.New("not registered")
	ErrMissing  = errors.New("the files of the release are gone")
	ErrChanging = errors.New("the tree changed while its snapshot was taken; register again when its installation is complete")
	ErrNewer    = errors.New("written by a newer supd")
)

// Store is the registry in a state directory. Its methods may be called from any
// goroutine, and by several processes at once.
type Store struct{ dir string }

// Open gives the registry in dir. Nothing is made until something is registered.
func Open(dir string) *Store {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Store{dir}
}

// StatePath is where an app's Journal belongs.
func (s *Store) StatePath(app string) string { return filepath.Join(s.app(app), "state") }

func (s *Store) app(app string) string       { return filepath.Join(s.dir, "apps", app) }
func (s *Store) releases(app string) string  { return filepath.Join(s.app(app), "releases") }
func (s *Store) snapshots(app string) string { return filepath.Join(s.app(app), "snapshots") }

func (s *Store) recordFile(app, version string) string {
	return filepath.Join(s.releases(app), version+recordSuffix)
}

// tree is where a snapshot's files are.
func (s *Store) tree(app, snapshot string) string {
	return filepath.Join(s.snapshots(app), snapshot, treeName)
}

// syncDirectory makes lasting what was renamed or removed in dir.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// sweep removes what a killed process has left in dir. All that is in the making
// or in removal has a name that begins with a dot.
func sweep(dir string) error {
	names, err := listNames(dir)
	for _, name := range names {
		if name[0] == '.' {
			err = errors.Join(err, removeAll(filepath.Join(dir, name)))
		}
	}
	return err
}

// listNames lists a directory, sorted; one that is not there is empty.
func listNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// removeAll removes a tree. Who is not root first has to make its directories
// writable, which keep the modes of the installed ones.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) || os.Geteuid() == 0 {
		return err
	}
	walkErr := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil // what is wrong with it RemoveAll says
		}
		return os.Chmod(p, 0o700)
	})
	return errors.Join(walkErr, os.RemoveAll(path))
}
