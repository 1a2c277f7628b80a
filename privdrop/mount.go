package privdrop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// covered are the directories that the worker gets its own of, the topmost first.
func (m Mount) covered() (dirs []string) {
	for dir := filepath.Dir(m.To); ; dir = filepath.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
		if m.CoverFrom == "" || dir == m.CoverFrom || dir == "/" {
			return dirs
		}
	}
}

// checkMounts makes the view that the other checks look through.
func (b *builder) checkMounts() error {
	for _, m := range b.spec.Mounts {
		v, err := m.check()
		if err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.From, m.To, err)
		}
		b.view = append(b.view, v)
	}
	for i, m := range b.view {
		for j, other := range b.view {
			if i != j && (beneath(m.To, other.To) || beneath(m.From, other.To)) {
				return fmt.Errorf("mount %s at %s: overlaps with the one at %s (give each a directory of its own)",
					m.From, m.To, other.To)
			}
			if i != j && m.Cover && beneath(other.To, m.covered()[0]) {
				return fmt.Errorf("mount %s at %s: would cover the one at %s (put them into different directories)",
					m.From, m.To, other.To)
			}
		}
	}
	return b.checkStart()
}

// check gives the mount with both its paths resolved: a link that is changed
// later must not make the calls do anything but what was checked.
func (m Mount) check() (resolved Mount, err error) {
	for _, path := range []string{m.From, m.To} {
		if !filepath.IsAbs(path) || strings.IndexByte(path, 0) >= 0 {
			return m, fmt.Errorf("%q is no absolute path", path)
		}
	}
	resolved = m
	if resolved.From, err = directory(m.From); err != nil {
		return m, fmt.Errorf("%w (register the release again)", err)
	}
	if resolved.To, err = m.place(); err != nil {
		return m, err
	}
	if m.Cover && m.CoverFrom != "" {
		if resolved.CoverFrom, err = directory(m.CoverFrom); err != nil {
			return m, err
		}
	}
	if resolved.To == "/" || m.Cover && resolved.covered()[0] == "/" {
		return m, errors.New("the root directory cannot be covered (give a directory beneath it)")
	}
	return resolved, nil
}

// place is To without links.
func (m Mount) place() (string, error) {
	to, err := directory(m.To)
	if err == nil {
		return to, nil
	}
	if m.Cover && errors.Is(err, fs.ErrNotExist) {
		return m.missing()
	}
	return "", fmt.Errorf("%w (make an empty directory there, for the mount to lie over)", err)
}

// missing is To without links where it, or what holds it, is not there.
func (m Mount) missing() (string, error) {
	dir, rest := filepath.Split(filepath.Clean(m.To))
	for {
		dir = filepath.Clean(dir)
		at, err := directory(dir)
		if err == nil {
			return filepath.Join(at, rest), nil
		}
		if m.CoverFrom == "" || dir == m.CoverFrom || !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		rest = filepath.Join(filepath.Base(dir), rest)
		dir = filepath.Dir(dir)
	}
}

func directory(path string) (resolved string, err error) {
	if resolved, err = filepath.EvalSymlinks(path); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			return "", fmt.Errorf("%s: %w", at.Path, at.Err)
		}
		return "", err
	}
	info, err := os.Stat(resolved)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s: not a directory", path)
	}
	return resolved, err
}

// checkStart: a directory that a process is in already stays the covered one. So
// it is entered anew, by its path.
func (b *builder) checkStart() error {
	s := &b.spec
	if len(b.view) == 0 || filepath.IsAbs(s.Dir) {
		return nil
	}
	cwd, err := unix.Getwd()
	if err != nil {
		return fmt.Errorf("current directory: %w (set directory)", err)
	}
	if s.Dir != "" || b.view.lookup(cwd) != cwd {
		s.Dir = filepath.Join(cwd, s.Dir)
	}
	return nil
}

// mount comes before anything is dropped, and before a directory is entered. What
// is mounted elsewhere later still arrives in the worker's namespace, nothing of
// it goes the other way (mount_namespaces(7), MS_SLAVE).
//
// A child of vfork has a root and a working directory of its own, so that
// unshare leaves those of the parent alone (unshare(2), CLONE_FS).
func (b *builder) mount() error {
	if len(b.view) == 0 {
		return nil
	}
	b.add("unshare mount namespace", "unshare(CLONE_NEWNS)", unix.SYS_UNSHARE, unix.CLONE_NEWNS)
	b.add("mount / as slave", `mount("none", "/", MS_REC|MS_SLAVE)`,
		unix.SYS_MOUNT, b.text("none"), b.text("/"), 0, unix.MS_REC|unix.MS_SLAVE, 0)
	for _, m := range b.view {
		if m.Cover {
			if err := b.cover(m); err != nil {
				return err
			}
		} else {
			b.add(fmt.Sprintf("mount %s at %s", m.From, m.To), fmt.Sprintf("mount(%q, %q, MS_BIND)", m.From, m.To),
				unix.SYS_MOUNT, b.text(m.From), b.text(m.To), 0, unix.MS_BIND, 0)
		}
		flags, names := m.flags()
		b.readOnly(m.To, flags, names)
	}
	return nil
}

func (b *builder) readOnly(path string, flags uintptr, names string) {
	b.add(fmt.Sprintf("mount %s read-only", path), fmt.Sprintf("mount(\"none\", %q, MS_REMOUNT|MS_BIND|%s)", path, names),
		unix.SYS_MOUNT, b.text("none"), b.text(path), 0, unix.MS_REMOUNT|unix.MS_BIND|flags, 0)
}

// flags are those of the remount, which takes away what it does not name: what
// the file system of From forbids stays forbidden. Of the access times it keeps
// what it does not name (mount(2)).
func (m Mount) flags() (flags uintptr, names string) {
	flags, names = unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "MS_RDONLY|MS_NOSUID|MS_NODEV"
	var st unix.Statfs_t
	if unix.Statfs(m.From, &st) != nil {
		return flags, names // the bind before it will tell
	}
	if st.Flags&unix.ST_NOEXEC != 0 {
		flags, names = flags|unix.MS_NOEXEC, names+"|MS_NOEXEC"
	}
	if st.Flags&stNoSymFollow != 0 {
		flags, names = flags|unix.MS_NOSYMFOLLOW, names+"|MS_NOSYMFOLLOW"
	}
	return flags, names
}

// stNoSymFollow is ST_NOSYMFOLLOW of linux/statfs.h, which is not MS_NOSYMFOLLOW.
const stNoSymFollow = 0x2000

// CanMount tries in a child that ends at once what Mounts ask for. The error is
// an *Error that names the call which was refused: by missing privileges, or by
// the rules of a container.
func CanMount() error {
	here := "/"
	if self, err := os.Executable(); err == nil {
		if dir, err := directory(filepath.Dir(self)); err == nil {
			here = dir
		}
	}
	b := &builder{Plan: &Plan{clone3: unix.SYS_CLONE3, view: View{{From: here, To: here}}}}
	b.mount()
	b.add("exit", "exit_group(0)", unix.SYS_EXIT_GROUP, 0)
	process, err := b.Plan.Start()
	if err != nil {
		return err
	}
	defer process.Close()
	process.reap()
	return nil
}
