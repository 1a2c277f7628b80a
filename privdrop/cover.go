package privdrop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cover lays empty directories of the worker's own over those that To is in, and
// binds into them what is there and the mount itself. All of it is opened before:
// afterwards the paths lead into what covers them.
//
// A mount point that others reach is not safe: whoever removes or renames it takes
// the mount along, in every namespace (Linux 3.18).
func (b *builder) cover(m Mount) (err error) {
	dirs := m.covered()
	below := append(dirs[1:len(dirs):len(dirs)], m.To)
	beside := make([][]bound, len(dirs))
	for i, dir := range dirs {
		if beside[i], err = b.openBeside(dir, below[i]); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.From, m.To, err)
		}
	}
	from := b.openTree(m.From, 0, "")
	for i, dir := range dirs {
		if i > 0 {
			b.mkdir(dir)
		}
		b.layOver(dir)
		for _, e := range beside[i] {
			b.bindAgain(e)
		}
	}
	b.mkdir(m.To)
	b.moveMount(from, m.To, fmt.Sprintf("mount %s at %s", m.From, m.To))
	for _, dir := range slices.Backward(dirs) {
		b.readOnly(dir, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "MS_RDONLY|MS_NOSUID|MS_NODEV")
	}
	return nil
}

// bound is what is in a directory that is covered.
type bound struct {
	path  string
	entry os.DirEntry
	tree  int // the call that has opened it, unless it is a link
}

// openBeside opens what a directory holds but for one path.
func (b *builder) openBeside(dir, but string) (all []bound, err error) {
	beside, err := besides(dir, but)
	if err != nil {
		return nil, err
	}
	for _, e := range beside {
		one := bound{path: filepath.Join(dir, e.Name()), entry: e}
		if e.Type() != os.ModeSymlink {
			one.tree = b.openTree(one.path, unix.AT_RECURSIVE, "|AT_RECURSIVE")
		}
		all = append(all, one)
	}
	return all, nil
}

func (b *builder) mkdir(path string) {
	b.add("mkdir "+path, fmt.Sprintf("mkdirat(%q, 0755)", path), unix.SYS_MKDIRAT, 0, b.text(path), 0o755)
}

// mostBeside is how many names a directory that is covered may hold: each is a mount of its
// own in every launch, and who puts releases there could make any number.
const mostBeside = 4096

// besides is what a directory holds but for one path, by name. What cannot be read holds
// nothing: layOver will tell.
func besides(dir, but string) (entries []os.DirEntry, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	entries, _ = f.ReadDir(mostBeside + 1)
	if len(entries) > mostBeside {
		return nil, fmt.Errorf("%s holds more than %d names, and cannot be covered (remove what is not needed, or put the release into a directory of its own)", dir, mostBeside)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.DeleteFunc(entries, func(e os.DirEntry) bool { return filepath.Join(dir, e.Name()) == but }), nil
}

func (b *builder) openTree(path string, flags uintptr, names string) int {
	return b.add("open tree "+path, fmt.Sprintf("open_tree(%q, OPEN_TREE_CLONE%s)", path, names), unix.SYS_OPEN_TREE,
		0, b.text(path), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW|flags)
}

// layOver makes what covers dir look like it; one that is missing is like most.
func (b *builder) layOver(dir string) {
	st := unix.Stat_t{Mode: 0o755}
	unix.Stat(dir, &st)
	options := fmt.Sprintf("mode=%o,uid=%d,gid=%d,size=1m", st.Mode&0o7777, st.Uid, st.Gid)
	b.add("mount tmpfs at "+dir, fmt.Sprintf("mount(\"none\", %q, \"tmpfs\", MS_NOSUID|MS_NODEV, %q)", dir, options), unix.SYS_MOUNT,
		b.text("none"), b.text(dir), b.text("tmpfs"), unix.MS_NOSUID|unix.MS_NODEV, b.text(options))
}

// bindAgain puts in its place what has been there before.
func (b *builder) bindAgain(one bound) {
	path, at := one.path, b.text(one.path)
	switch {
	case one.entry.Type() == os.ModeSymlink:
		target, _ := os.Readlink(path) // "" is ENOENT to symlinkat
		b.add("symlink "+path, fmt.Sprintf("symlinkat(%q, %q)", target, path), unix.SYS_SYMLINKAT, b.text(target), 0, at)
		return
	case one.entry.IsDir():
		b.mkdir(path)
	default: // a mount point for a file of any kind
		b.add("mknod "+path, fmt.Sprintf("mknodat(%q, S_IFREG|0644)", path), unix.SYS_MKNODAT, 0, at, unix.S_IFREG|0o644)
	}
	b.moveMount(one.tree, path, "mount at "+path)
}

func (b *builder) moveMount(tree int, path, name string) {
	b.feed(tree, b.add(name, fmt.Sprintf("move_mount(tree of call %d, %q)", tree+1, path), unix.SYS_MOVE_MOUNT,
		0, b.text(""), 0, b.text(path), unix.MOVE_MOUNT_F_EMPTY_PATH))
}
