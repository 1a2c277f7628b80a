package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Changed lists what of a release's snapshot is not as it was when it was taken,
// such as "lib/app.py: has another size": it shares the files of the installed
// release where it could link them, and whoever writes into one of those writes
// into the snapshot. Of a release without one nothing is known. The error is
// ErrMissing when the files are gone.
func (s *Store) Changed(r Release) ([]string, error) {
	if info, err := os.Stat(r.Files()); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s %s: %s: %w", r.App, r.Version, r.Files(), ErrMissing)
	} else if err != nil {
		return nil, err
	}
	if r.Snapshot == "" {
		return nil, nil
	}
	entries, err := readManifest(filepath.Dir(r.Snapshot))
	if err != nil {
		return nil, err
	}
	return audit(context.Background(), r.Snapshot, entries, 0)
}

// audit compares a snapshot with its manifest. Most bounds what is found, 0 does
// not.
func audit(ctx context.Context, snapshot string, entries []entry, most int) ([]string, error) {
	root, err := openDirectory(snapshot)
	if errors.Is(err, unix.ENOENT) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, err
	}
	defer root.close()
	c := comparison{ctx: ctx, entries: entries, most: most}
	err = c.run(root)
	return c.found, err
}
