package tree

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// OwnedCgroup is the cgroup v2 directory that this process may make others in,
// or "" and the reason why there is none. It is owned when it was delegated
// (systemd's Delegate=yes sets an attribute on it), or when this process is PID 1
// of a container; and cgroup.kill has to be there (Linux 5.14, not in the root).
func OwnedCgroup() (dir, why string) {
	mount, err := cgroupMount()
	if err != nil {
		return "", err.Error()
	}
	own, err := ownCgroup()
	if err != nil {
		return "", err.Error()
	}
	dir = filepath.Join(mount, own)
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
// (proc_pid_mountinfo(5)).
func cgroupMount() (string, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return fields[4], nil
		}
	}
	return "", errors.New("no cgroup v2 is mounted")
}

// ownCgroup is the path in that hierarchy (cgroups(7)).
func ownCgroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path, nil
		}
	}
	return "", errors.New("in no cgroup of v2")
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

// MakeCgroup makes a cgroup and opens its directory, for CLONE_INTO_CGROUP. One
// of that name that an earlier supd has left is emptied and taken.
func MakeCgroup(parent, name string) (*os.File, error) {
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) {
		if err := KillCgroup(dir); err != nil {
			return nil, err
		}
		err = os.Mkdir(dir, 0o755)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return os.Open(dir)
}

// KillCgroup kills every process in a cgroup, waits until it is empty, and
// removes it.
func KillCgroup(dir string) error {
	events, err := os.Open(filepath.Join(dir, "cgroup.events"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer events.Close()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0); err != nil {
		return err
	}
	for deadline := time.Now().Add(deathTime); time.Now().Before(deadline); {
		empty, err := unpopulated(events)
		if err != nil {
			return err
		}
		if empty {
			return os.Remove(dir)
		}
		// The file has POLLPRI when it changes.
		fds := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		_, _ = unix.Poll(fds, int(time.Until(deadline).Milliseconds())+1)
	}
	return fmt.Errorf("%s: not empty %s after cgroup.kill", dir, deathTime)
}

func unpopulated(events *os.File) (bool, error) {
	var text [256]byte
	n, err := events.ReadAt(text[:], 0)
	if n == 0 {
		return false, err
	}
	return strings.Contains(string(text[:n]), "populated 0"), nil
}
