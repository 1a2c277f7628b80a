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

// Changed lists the files of a release's snapshot that have changed since it was
// taken, such as "lib/app.py: has another size". A snapshot shares the files of the
// installed release where it could link them, so whoever writes into such a file
// writes into the snapshot. For a release without a snapshot the list is empty. The
// error is ErrMissing when the files are gone.
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

// audit compares a snapshot with its manifest. It may stop once it has found most
// differences; 0 is no limit.
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
