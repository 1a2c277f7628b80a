package release

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// busy lists the names of an app's snapshots that are mounted in the namespace of
// some process. A supd that was killed leaves such processes.
//
// Only the end of a path is compared, since its beginning differs between
// namespaces; so the list is rather too long than too short. With an error it may
// be too short: root needs CAP_SYS_PTRACE to look at a process of another user.
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
		// Many processes share a namespace; one whose namespace cannot be read is
		// looked at itself.
		namespace, _ := os.Readlink(dir + "/ns/mnt")
		if seen[namespace] {
			continue
		}
		err := mountedIn(dir+"/mountinfo", app, found)
		switch {
		case err == nil:
			seen[namespace] = namespace != ""
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL):
			// It has ended: a zombie has no namespace (EINVAL).
		case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
			// Another user's process: who may not look at it cannot have mounted
			// there.
		default:
			unseen = fmt.Errorf("which snapshots are in use: %w", err)
		}
	}
	return found, unseen
}

// longestMount is more than the three paths and the options of a mount have.
const longestMount = 1 << 20

// mountedIn is mounted of a file. Who has a user namespace has as many mounts in it as
// fs.mount-max permits: one is held at a time.
func mountedIn(mountinfo, app string, found map[string]bool) error {
	file, err := os.Open(mountinfo)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, longestMount)
	mounted(lines, app, found)
	return lines.Err()
}

// mounted adds the app's snapshots that mountinfo lists: the fourth field of a line
// is the directory of the file system that is mounted (proc_pid_mountinfo(5)).
func mounted(mountinfo *bufio.Scanner, app string, found map[string]bool) {
	for mountinfo.Scan() {
		fields := strings.Fields(mountinfo.Text())
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
