package release

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Bounds of what is kept as a snapshot, beside files.MostLevels: an app's user may have
// made it so that it costs memory for each name.
const (
	mostManifest = 128 << 20 // bytes: of some 700 000 files
	mostLine     = 170       // bytes of an entry in it, but for the name
)

var errMany = errors.New("the release has more files than one can have, some 700 000; remove what is not its own")

// within is an error of a name in the directory that is too deep, or has too long a path.
func (d *directory) within(name string) error {
	switch path := filepath.Join(d.path, name); {
	case d.depth == files.MostLevels:
		return fmt.Errorf("%s: is more than %d directories deep, which no release can be; remove it", files.Shortened(path), files.MostLevels)
	case len(path) >= unix.PathMax:
		return fmt.Errorf("%s: has a path of more than %d bytes, by which nobody can open it; remove it", files.Shortened(path), unix.PathMax-1)
	}
	return nil
}

// room is how many bytes of a manifest are left for more entries.
type room int

func newRoom() room { return mostManifest }

// has takes the room of one more entry, and reports whether there was some.
func (r *room) has(name string) bool {
	*r -= room(mostLine + len(name))
	return *r >= 0
}
