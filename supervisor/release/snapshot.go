package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// take makes the next snapshot of the tree at path, and gives its name. The lock is
// held.
func (s *Store) take(ctx context.Context, app, version, path string) (name string, err error) {
	dir := s.snapshots(app)
	numbers, err := s.numbers(app, version)
	if err != nil {
		return "", err
	}
	name = snapshotName(version, 1)
	if len(numbers) > 0 {
		name = snapshotName(version, numbers[len(numbers)-1]+1)
	}
	fresh := filepath.Join(dir, ".new-"+rand.Text()[:10])
	if err := os.Mkdir(fresh, 0o700); err != nil { // closed to others until it is complete
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(fresh))
		}
	}()
	if err := s.fill(ctx, fresh, path); err != nil {
		return "", err
	}
	if err := admit(fresh, path); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, filepath.Join(dir, name)); err != nil {
		return "", err
	}
	return name, syncDirectory(dir)
}

// admit opens a snapshot to those who may enter the directories above the installed
// tree, and to nobody else: mode 0755, or 0750 if only one group may.
func admit(fresh, path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	mode, gid := fs.FileMode(0o755), -1
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			return &os.PathError{Op: "stat", Path: dir, Err: err}
		}
		st.Mode = files.WithoutList(dir, st.Mode)
		switch {
		case st.Mode&0o001 != 0:
		case st.Mode&0o010 != 0 && (gid == -1 || gid == int(st.Gid)) && mode != 0o700:
			mode, gid = 0o750, int(st.Gid)
		default:
			mode = 0o700
		}
		if dir == "/" {
			break
		}
	}
	if mode == 0o750 && os.Chown(fresh, -1, gid) != nil { // not root
		mode = 0o700
	}
	return os.Chmod(fresh, mode)
}

// numbers lists the snapshots that a version has, the oldest first.
func (s *Store) numbers(app, version string) ([]int, error) {
	names, err := listNames(s.snapshots(app))
	var all []int
	for _, name := range names {
		if of, n, ok := parseSnapshot(name); ok && of == version {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, err
}

// fill puts the tree and its manifest into an empty directory.
func (s *Store) fill(ctx context.Context, fresh, path string) error {
	top, err := openDirectory(fresh)
	if err != nil {
		return err
	}
	defer top.close()
	if err := files.DropLists(top.fd); err != nil { // what is in it is closed or opened by its mode
		return top.fail("setfacl", "", err)
	}
	from, err := openInstalled(path)
	if err != nil {
		return err
	}
	defer from.close()
	var own unix.Stat_t
	if err := unix.Stat(s.dir, &own); err != nil {
		return &os.PathError{Op: "stat", Path: s.dir, Err: err}
	}
	b := &builder{ctx: ctx, own: own, room: newRoom()}
	if err := b.tree(from, top, treeName, 0); err != nil {
		return changing(err)
	}
	if err := b.verify(path); err != nil {
		return err
	}
	return b.writeManifest(filepath.Join(fresh, manifestName))
}

// openInstalled opens what is installed at path. A link there is refused: the
// snapshot will be mounted at the path, and a link may point elsewhere then.
// So is a way there that others than root could change.
func openInstalled(path string) (d *directory, err error) {
	err = files.Way{}.In(filepath.Dir(path), func(p files.Place) error {
		d, err = openDirectoryAt(p.FD, filepath.Base(path), path)
		return err
	})
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%s: not a directory, or a symbolic link; register the directory itself", path)
	}
	return d, err
}

// changing makes ErrChanging of an error that says that a name is gone, or is of
// another type, which was there just before.
func changing(err error) error {
	for _, e := range []error{unix.ENOENT, unix.ENOTDIR, unix.EISDIR, unix.ELOOP, unix.ESTALE} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w (%w)", ErrChanging, err)
		}
	}
	return err
}

// builder makes a tree of links or copies.
type builder struct {
	ctx     context.Context
	own     unix.Stat_t // the state directory
	entries []entry
	room    room // for more of them
	copied  bool // at least one file could not be linked
}

func (b *builder) add(from *directory, e entry) error {
	if !b.room.has(e.name) {
		return fmt.Errorf("%s: %w", from.path, errMany)
	}
	b.entries = append(b.entries, e)
	return nil
}

// tree puts the content of from into a new directory in into.
func (b *builder) tree(from, into *directory, name string, depth int) error {
	if err := context.Cause(b.ctx); err != nil {
		return err
	}
	st, err := from.self()
	if err != nil {
		return err
	}
	if st.Dev == b.own.Dev && st.Ino == b.own.Ino {
		return fmt.Errorf("%s: is supd's own state directory and cannot be part of a release", from.path)
	}
	to, err := into.make(name)
	if err != nil {
		return err
	}
	defer to.close()
	kept, err := to.self()
	if err != nil {
		return err
	}
	if depth == 0 {
		name = "."
	}
	at := len(b.entries)
	if err := b.add(from, newEntry(depth, name, &st, &kept, false)); err != nil {
		return err
	}
	names, err := from.names(b.room)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := b.put(from, to, name, depth+1); err != nil {
			return err
		}
	}
	if err := to.become(from.withoutList(".", &st)); err != nil {
		return err
	}
	kept, err = to.self()
	b.entries[at].mode = kept.Mode & 0o7777
	return err
}

// put puts one file, link or directory of from into to.
func (b *builder) put(from, to *directory, name string, depth int) error {
	if err := from.within(name); err != nil {
		return err
	}
	st, err := from.stat(name)
	if err != nil {
		return err
	}
	switch kindOf(st.Mode) {
	case 'd':
		child, err := from.open(name)
		if err != nil {
			return err
		}
		defer child.close()
		return b.tree(child, to, name, depth)
	case 'f', 'l':
		return b.file(from, to, name, &st, depth)
	}
	return fmt.Errorf("%s: %s cannot be part of a release; remove it and register again", filepath.Join(from.path, name), typeName(st.Mode))
}

// file links one file or, where that is not possible, copies it.
func (b *builder) file(from, to *directory, name string, st *unix.Stat_t, depth int) error {
	linked, err := from.link(name, to, st)
	if err == nil && !linked {
		b.copied = true
		err = copyFile(b.ctx, from, to, name, st)
	}
	if err != nil {
		return err
	}
	kept, err := to.stat(name)
	if err != nil {
		return err
	}
	if linked && kept.Ino != st.Ino { // another file has taken the name
		return fmt.Errorf("%s: %w", filepath.Join(from.path, name), ErrChanging)
	}
	return b.add(from, newEntry(depth, name, st, &kept, !linked))
}

// verify checks that the installed tree is still as it was kept.
func (b *builder) verify(path string) error {
	from, err := openInstalled(path)
	if err != nil {
		return changing(err)
	}
	defer from.close()
	c := comparison{ctx: b.ctx, entries: b.entries, installed: true, most: 1}
	if err := c.run(from); err != nil {
		return changing(err)
	}
	if len(c.found) > 0 {
		return fmt.Errorf("%s: %s: %w", path, c.found[0], ErrChanging)
	}
	return nil
}

// writeManifest writes the manifest, and syncs it and the snapshot to the disk.
// With the manifest's own blocks ext4 and xfs write the links that were made
// before; where a file system does not, the manifest shows what is missing. Copied
// files are still in memory, and only syncfs(2) waits for all of them; it also
// waits for whatever else was written there.
func (b *builder) writeManifest(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(encodeManifest(b.entries)); err != nil {
		return err
	}
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	if b.copied {
		if err := unix.Syncfs(int(file.Fd())); err != nil {
			return &os.PathError{Op: "syncfs", Path: path, Err: err}
		}
	} else if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}
