package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// busy lists the snapshots of an app that some process sees in the place of what
// is installed, by their names. A supd that was killed leaves such processes.
//
// They are told by the end of their paths alone, since what is before it is seen
// otherwise in each namespace; so it is more rather than less. With an error it
// may be less: root needs CAP_SYS_PTRACE to look at a process of another user.
func busy(app string) (map[string]bool, error) {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	found, seen := map[string]bool{}, map[string]bool{}
	var unseen error
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		dir := filepath.Join("/proc", p.Name())
		// Many are in the same one; where that may not be known each is looked at.
		namespace, _ := os.Readlink(dir + "/ns/mnt")
		if seen[namespace] {
			continue
		}
		mounts, err := os.ReadFile(dir + "/mountinfo")
		switch {
		case err == nil:
			seen[namespace] = namespace != ""
			mounted(string(mounts), app, found)
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL):
			// It has ended: a zombie has no namespace (EINVAL).
		case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
			// Another user's: whoever may not look there cannot have mounted there.
		default:
			unseen = fmt.Errorf("which snapshots are in use: %w", err)
		}
	}
	return found, unseen
}

// mounted adds the app's snapshots that are mounted by a line of mountinfo: its
// fourth field is what of the file system is (proc_pid_mountinfo(5)).
func mounted(mountinfo, app string, found map[string]bool) {
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		root := strings.TrimSuffix(fields[3], "//deleted")
		dir, ok := strings.CutSuffix(root, "/"+treeName)
		if !ok {
			continue
		}
		parent, name := filepath.Split(dir)
		if strings.HasSuffix(parent, "/"+app+"/snapshots/") {
			found[name] = true
		}
	}
}
