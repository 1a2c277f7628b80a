package privdrop

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// cover lays an empty directory of the worker's own over the one that holds To,
// and binds into it what is there and the mount itself. All of it is opened
// before: afterwards the paths lead into what covers them.
//
// A mount point that others reach is not safe: whoever removes or renames it takes
// the mount along, in every namespace (Linux 3.18).
func (b *builder) cover(m Mount) {
	dir := filepath.Dir(m.To)
	entries := b.besides(dir, m.To)
	trees := make([]int, len(entries))
	for i, e := range entries {
		if e.Type() != os.ModeSymlink {
			trees[i] = b.openTree(filepath.Join(dir, e.Name()), unix.AT_RECURSIVE, "|AT_RECURSIVE")
		}
	}
	from := b.openTree(m.From, 0, "")
	b.layOver(dir)
	for i, e := range entries {
		b.bindAgain(trees[i], filepath.Join(dir, e.Name()), e)
	}
	b.add("mkdir "+m.To, fmt.Sprintf("mkdirat(%q, 0755)", m.To), unix.SYS_MKDIRAT, 0, b.text(m.To), 0o755)
	b.moveMount(from, m.To, fmt.Sprintf("mount %s at %s", m.From, m.To))
	b.readOnly(dir, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "MS_RDONLY|MS_NOSUID|MS_NODEV")
}

// besides is what a directory holds but for one path. What cannot be read holds
// nothing: layOver will tell.
func (b *builder) besides(dir, but string) (entries []os.DirEntry) {
	all, _ := os.ReadDir(dir)
	for _, e := range all {
		if filepath.Join(dir, e.Name()) != but {
			entries = append(entries, e)
		}
	}
	return entries
}

func (b *builder) openTree(path string, flags uintptr, names string) int {
	return b.add("open tree "+path, fmt.Sprintf("open_tree(%q, OPEN_TREE_CLONE%s)", path, names), unix.SYS_OPEN_TREE,
		0, b.text(path), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW|flags)
}

// layOver makes what covers dir look like it.
func (b *builder) layOver(dir string) {
	var st unix.Stat_t
	unix.Stat(dir, &st) // it was there a moment ago, and mount tells if not
	options := fmt.Sprintf("mode=%o,uid=%d,gid=%d,size=1m", st.Mode&0o7777, st.Uid, st.Gid)
	b.add("mount tmpfs at "+dir, fmt.Sprintf("mount(\"none\", %q, \"tmpfs\", MS_NOSUID|MS_NODEV, %q)", dir, options), unix.SYS_MOUNT,
		b.text("none"), b.text(dir), b.text("tmpfs"), unix.MS_NOSUID|unix.MS_NODEV, b.text(options))
}

// bindAgain puts in its place what has been there before.
func (b *builder) bindAgain(tree int, path string, e os.DirEntry) {
	at := b.text(path)
	switch {
	case e.Type() == os.ModeSymlink:
		target, _ := os.Readlink(path) // "" is ENOENT to symlinkat
		b.add("symlink "+path, fmt.Sprintf("symlinkat(%q, %q)", target, path), unix.SYS_SYMLINKAT, b.text(target), 0, at)
		return
	case e.IsDir():
		b.add("mkdir "+path, fmt.Sprintf("mkdirat(%q, 0755)", path), unix.SYS_MKDIRAT, 0, at, 0o755)
	default: // a mount point for a file of any kind
		b.add("mknod "+path, fmt.Sprintf("mknodat(%q, S_IFREG|0644)", path), unix.SYS_MKNODAT, 0, at, unix.S_IFREG|0o644)
	}
	b.moveMount(tree, path, "mount at "+path)
}

func (b *builder) moveMount(tree int, path, name string) {
	b.feed(tree, b.add(name, fmt.Sprintf("move_mount(tree of call %d, %q)", tree+1, path), unix.SYS_MOVE_MOUNT,
		0, b.text(""), 0, b.text(path), unix.MOVE_MOUNT_F_EMPTY_PATH))
}
