package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// OwnedCgroup is the cgroup v2 directory in which this process may make others, or
// "" and the reason why there is none. It is owned when it was delegated (systemd's
// Delegate=yes sets an attribute on it), or when this process is PID 1 of a
// container; and cgroup.kill has to be there (Linux 5.14, not in the root).
//
// Where this process is in a cgroup of its own beneath one that was delegated (systemd's
// DelegateSubgroup=supd, 254), it is that one: controllers count for the cgroups in it only
// while no process is in it itself (cgroups(7)), and are enabled then.
func OwnedCgroup() (dir, why string) {
	mount, root, err := cgroupMount()
	if err != nil {
		return "", err.Error()
	}
	own, err := ownCgroup()
	if err != nil {
		return "", err.Error()
	}
	dir, err = locate(mount, root, own)
	if err != nil {
		return "", err.Error()
	}
	if above := aboveSubgroup(dir); above != "" {
		dir = above
		enableControllers(dir)
	}
	switch {
	case !exists(filepath.Join(dir, "cgroup.kill")):
		return "", dir + " has no cgroup.kill"
	case unix.Access(dir, unix.W_OK) != nil:
		return "", dir + " is not writable"
	case !delegated(dir) && os.Getpid() != 1:
		return "", dir + " is not delegated (systemd: Delegate=yes)"
	}
	return dir, ""
}

// cgroupMount finds the v2 hierarchy in /proc/self/mountinfo
// (proc_pid_mountinfo(5)): where it is mounted, and which cgroup is its root there,
// since a container sees only a part of it.
func cgroupMount() (dir, root string, err error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	defer file.Close()
	err = EachMount(file, func(m Mount) bool {
		if m.Type == "cgroup2" {
			dir, root = m.Point, m.Root
		}
		return dir == ""
	})
	if err == nil && dir == "" {
		err = errors.New("no cgroup v2 is mounted")
	}
	return dir, root, err
}

// ownCgroup is the path of this process's cgroup in that hierarchy (cgroups(7)).
func ownCgroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return path, nil
		}
	}
	return "", errors.New("in no cgroup of v2")
}

// locate gives the directory of a cgroup, if it is beneath the mount's root.
func locate(mount, root, cgroup string) (string, error) {
	beneath, err := filepath.Rel(root, cgroup)
	if err != nil || !filepath.IsLocal(beneath) || strings.HasPrefix(cgroup, "/..") { // outside the namespace: cgroup_namespaces(7)
		return "", fmt.Errorf("cgroup %s is not beneath %s, which is mounted on %s", cgroup, root, mount)
	}
	return filepath.Join(mount, beneath), nil
}

// subgroup is the name of supd's own cgroup beneath the one that was delegated: any other
// one may be somebody else's, such as a unit of a user's systemd.
const subgroup = "supd"

// aboveSubgroup is the delegated cgroup that supd's own is in; "" for none.
func aboveSubgroup(own string) string {
	if above := filepath.Dir(own); filepath.Base(own) == subgroup && delegated(above) && unix.Access(above, unix.W_OK) == nil {
		return above
	}
	return ""
}

// enableControllers lets the cgroups in a directory have what the directory itself has
// of those that supd's metrics read. One that cannot be enabled has no figures.
func enableControllers(dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return
	}
	for _, name := range strings.Fields(string(text)) {
		switch name {
		case "cpu", "io", "memory":
			_ = writeFile(filepath.Join(dir, "cgroup.subtree_control"), "+"+name)
		}
	}
}

func delegated(dir string) bool {
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// MakeCgroup makes a cgroup and opens its directory, for CLONE_INTO_CGROUP. One of
// that name that an earlier supd has left is emptied and replaced.
func MakeCgroup(parent, name string) (*os.File, error) {
	dir := filepath.Join(parent, name)
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrExist) {
		if err = KillCgroup(dir); err == nil {
			err = os.Mkdir(dir, 0o755)
		}
	}
	if err != nil {
		return nil, err
	}
	return os.Open(dir)
}

// KillCgroup kills every process in a cgroup, waits until it is empty, and
// removes it. One that does not exist is no error.
func KillCgroup(dir string) error {
	_, err := emptyCgroup(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return removeCgroup(dir)
}

// emptyCgroup kills every process in a cgroup and beneath it at once, waits for
// their end, and returns the pids that were in the cgroup itself.
func emptyCgroup(dir string) (pids []int, err error) {
	events, err := os.Open(filepath.Join(dir, "cgroup.events"))
	if err != nil {
		return nil, err
	}
	defer events.Close()
	if pids, err = cgroupPids(dir); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(dir, "cgroup.kill"), "1"); err != nil {
		return nil, err
	}
	return pids, awaitEmpty(events)
}

// cgroupPids are those of the processes in a cgroup itself.
func cgroupPids(dir string) (pids []int, err error) {
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for _, field := range strings.Fields(string(procs)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 { // 0: of another pid namespace
			pids = append(pids, pid)
		}
	}
	return pids, err
}

func writeFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // without O_CREAT, which a cgroup refuses with EPERM
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// awaitEmpty waits for "populated 0" in a cgroup.events, which announces a change
// by POLLPRI.
func awaitEmpty(events *os.File) error {
	for deadline := time.Now().Add(deathTime); ; await(int(events.Fd()), unix.POLLPRI, deadline) {
		var text [256]byte
		n, err := events.ReadAt(text[:], 0)
		if n == 0 {
			return err
		}
		if strings.Contains(string(text[:n]), "populated 0") {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not empty %s after cgroup.kill", filepath.Dir(events.Name()), deathTime)
		}
	}
}

// removeCgroup removes an empty cgroup with those that were made beneath it.
func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeCgroup(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(err, os.Remove(dir))
}
