package release

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// comparison finds where a tree differs from a manifest.
type comparison struct {
	ctx     context.Context
	entries []entry
	// installed says that the tree is the one that the snapshot was taken of;
	// otherwise it is the snapshot.
	installed bool
	// kept is the snapshot, for an installed tree: a file with another inode or
	// ctime, but the same size and time, is no difference if its content is that of
	// the snapshot. Size and time alone say too little, since a package sets the times
	// of its files, and whoever owns one can.
	kept *os.Root
	most int // how many differences to find; 0: all
	// found has the differences, such as "lib/app.py: has another size".
	found []string
}

func (c *comparison) run(root *directory) error {
	st, err := root.self()
	if err != nil {
		return err
	}
	if len(c.entries) == 0 {
		return errors.New("the manifest is empty")
	}
	if why, err := c.entry(root, ".", ".", 0, &st); err != nil || why != "" {
		c.differs(".", why)
		return err
	}
	_, err = c.directory(root, ".", 0)
	return err
}

func (c *comparison) differs(path, why string) {
	if !c.enough() {
		c.found = append(c.found, path+": "+why)
	}
}

func (c *comparison) enough() bool { return c.most > 0 && len(c.found) >= c.most }

// directory compares the content of the directory of entry i, and gives the index
// of the first entry that is not in it.
func (c *comparison) directory(d *directory, path string, i int) (next int, err error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	names, err := d.names(newRoom())
	if err != nil {
		return 0, err
	}
	depth := c.entries[i].depth + 1
	isNew := func(name string) { c.differs(filepath.Join(path, name), "is new") }
	for i++; i < len(c.entries) && c.entries[i].depth == depth && !c.enough(); {
		name := c.entries[i].name
		for len(names) > 0 && names[0] < name {
			isNew(names[0])
			names = names[1:]
		}
		if len(names) == 0 || names[0] != name {
			c.differs(filepath.Join(path, name), "is gone")
			i = c.skip(i)
			continue
		}
		names = names[1:]
		if i, err = c.child(d, filepath.Join(path, name), i); err != nil {
			return 0, err
		}
	}
	for _, name := range names {
		isNew(name)
	}
	return c.leave(i, depth), nil
}

// skip gives the index after entry i and all that is in it.
func (c *comparison) skip(i int) int { return c.leave(i+1, c.entries[i].depth+1) }

// leave gives the index of the first entry from i on that is less deep than depth.
func (c *comparison) leave(i, depth int) int {
	for i < len(c.entries) && c.entries[i].depth >= depth {
		i++
	}
	return i
}

// child compares entry i, which is in d, and what is in it.
func (c *comparison) child(d *directory, path string, i int) (next int, err error) {
	name := c.entries[i].name
	if err := d.within(name); err != nil {
		return 0, err
	}
	st, err := d.stat(name)
	if err != nil {
		return 0, err
	}
	why, err := c.entry(d, name, path, i, &st)
	if err != nil {
		return 0, err
	}
	if why != "" {
		c.differs(path, why)
	}
	if c.entries[i].kind != 'd' || kindOf(st.Mode) != 'd' {
		return c.skip(i), nil
	}
	sub, err := d.open(name)
	if err != nil {
		return 0, err
	}
	defer sub.close()
	return c.directory(sub, path, i)
}

// entry says how a file differs from entry i; "" is not at all.
func (c *comparison) entry(d *directory, name, path string, i int, st *unix.Stat_t) (why string, err error) {
	e := &c.entries[i]
	want := source{e.mode, e.mtime, e.ino, e.ctime}
	if c.installed {
		want = e.from
	}
	switch {
	case kindOf(st.Mode) != e.kind:
		return "is of another type", nil
	case st.Mode&0o7777 != want.mode:
		return "has another mode", nil
	case !c.installed && e.kind != 'l' && os.Geteuid() == 0 && d.isListed(name, st):
		return "has an access control list: others may write to it", nil
	case e.kind == 'd':
		return "", nil
	case st.Size != e.size:
		return "has another size", nil
	case st.Mtim.Nano() != want.mtime:
		return "was modified", nil
	case st.Ino == want.ino && (want.ctime == 0 || st.Ctim.Nano() == want.ctime):
		return "", nil
	}
	same := false
	if c.kept != nil {
		same, err = c.sameContent(d, name, path, e)
	}
	if same || err != nil {
		return "", err
	}
	return "was replaced", nil
}

// sameContent compares a file or link with the one in the snapshot. If that cannot
// be read, they differ.
func (c *comparison) sameContent(d *directory, name, path string, e *entry) (bool, error) {
	if e.kind == 'l' {
		kept, keptErr := c.kept.Readlink(path)
		target, err := d.readLink(name, e.size)
		return keptErr == nil && target == kept, err
	}
	kept, err := c.kept.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, nil
	}
	defer kept.Close()
	file, err := d.openFile(name)
	if err != nil {
		return false, err
	}
	defer file.Close()
	return equal(kept, file)
}

func equal(a, b io.Reader) (bool, error) {
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return false, err
			}
		}
		if errA != nil || errB != nil {
			return true, nil
		}
	}
}
