package configs

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Runtime is the runtime directory. It says where each thing beneath it is; what
// is made for one launch of a worker alone has the name that LaunchName gives.
type Runtime string

func (r Runtime) join(elements ...string) string {
	return filepath.Join(append([]string{string(r)}, elements...)...)
}

// Lock is the file by which a second supd is kept away.
func (r Runtime) Lock() string { return r.join("lock") }

// Control is the control socket, where the configuration names no other.
func (r Runtime) Control() string { return r.join("supd.sock") }

// Record is the file of what runs, for the next supd.
func (r Runtime) Record() string { return r.join("state.json") }

// Statsd is the file of what was counted of statsd, for the next supd.
func (r Runtime) Statsd() string { return r.join("statsd.json") }

// Output is the directory of output that is in no log file yet.
func (r Runtime) Output() string { return r.join("output") }

// Sockets is the directory with a second name of each unix socket of the apps.
func (r Runtime) Sockets() string { return r.join("sockets") }

// Workers is the directory with the rooms of all apps.
func (r Runtime) Workers() string { return r.join("workers") }

// Room is the directory with every XDG_RUNTIME_DIR of an app's workers; that of "" is
// Workers, where earlier supds had those of all apps. No app's name begins with a dot, or
// has one, as the name of a launch does.
func (r Runtime) Room(app string) string { return r.join("workers", app) }

// Worker is one worker's XDG_RUNTIME_DIR.
func (r Runtime) Worker(app, launch string) string { return r.join("workers", app, launch) }

// Launches is the directory of what supd alone knows of each launch.
func (r Runtime) Launches() string { return r.join("launches") }

// Launch is what supd alone knows of one launch.
func (r Runtime) Launch(launch string) string { return r.join("launches", launch) }

// Probes is the directory of the sockets that supd alone connects to.
func (r Runtime) Probes() string { return r.join("probe") }

// Probe is the socket that one worker is probed on.
func (r Runtime) Probe(launch string) string { return r.join("probe", launch) }

// Private is the socket that a candidate has in the place of the app's i-th.
func (r Runtime) Private(launch string, i int) string {
	return r.join("probe", fmt.Sprintf("%s.%d", launch, i))
}

// Notifies is the directory of the sockets that workers send to.
func (r Runtime) Notifies() string { return r.join("notify") }

// Notify is the socket that one worker sends its messages to (NOTIFY_SOCKET).
func (r Runtime) Notify(launch string) string { return r.join("notify", launch) }

// LaunchName is the name beneath the runtime directory, and that of the cgroup,
// of what is made for one launch of a worker.
func LaunchName(app, process string, slot, generation int) string {
	return fmt.Sprintf("%s.%s.%d.%d", app, process, slot, generation)
}

// ParseLaunchName is the reverse of LaunchName: no name of an app or a process has a
// dot.
func ParseLaunchName(name string) (app, process string, slot, generation int, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return "", "", 0, 0, false
	}
	slot, bad := strconv.Atoi(parts[2])
	generation, worse := strconv.Atoi(parts[3])
	ok = bad == nil && worse == nil && slot >= 0 && generation > 0 && nameProblem(parts[0])+nameProblem(parts[1]) == "" &&
		LaunchName(parts[0], parts[1], slot, generation) == name
	return parts[0], parts[1], slot, generation, ok
}

// directory is one that supd itself needs.
type directory struct {
	path string
	mode os.FileMode // that it is made with; of 0700 nobody else may enter it
}

// directories begin with the runtime directory, which nobody else has to list: who lists a
// directory can keep the kernel from making anything in it meanwhile. What is in those of
// workers, below the rooms, and notify belongs to users who must reach their own, and need
// not see the others' names; supd alone connects to what is in probe, and reads what is in
// the others.
func (r Runtime) directories() []directory {
	return []directory{
		{string(r), 0o711},
		{r.Workers(), 0o711},
		{r.Launches(), 0o700},
		{r.Probes(), 0o700},
		{r.Notifies(), 0o711},
		{r.Output(), 0o700},
		{r.Sockets(), 0o700},
	}
}

// MakeTop makes the runtime directory alone, before anything else is made in it: who makes
// the control socket would make the directory as that of any socket. What keeps it from that
// Make says.
func (r Runtime) MakeTop() {
	if files.MakeDirectories(filepath.Dir(string(r))) == nil {
		_ = os.Mkdir(string(r), r.directories()[0].mode)
	}
}

// Make makes the directories that supd itself needs.
func (r Runtime) Make() error {
	r.MakeTop()
	for _, dir := range r.directories() {
		if err := os.MkdirAll(dir.path, dir.mode); err != nil {
			return err
		}
		if err := dir.judge(); err != nil { // it may have been there
			return err
		}
	}
	return nil
}

// Check says what Make would, and what keeps files in the directories from being made and
// removed. It makes nothing.
func (r Runtime) Check() error {
	var all []error
	for i, dir := range r.directories() {
		err := cmp.Or(files.MayMake(dir.path+"/file"), files.MayReplace(dir.path), dir.judge())
		if err != nil && i == 0 {
			return err // the others are in it
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// judge says why a directory is not supd's own. One that is not there is to be made.
func (d directory) judge() error {
	if err := files.Own().CheckPlanned(d.path); err != nil {
		return err
	}
	var st unix.Stat_t
	if d.mode != 0o700 || unix.Lstat(d.path, &st) != nil || files.IsPrivate(&st) {
		return nil
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("%s is not a directory, or one by a symbolic link; remove it", d.path)
	}
	return fmt.Errorf("%s: belongs to uid %d with mode %04o, and others may enter; want uid %d and mode 0700", d.path, st.Uid, st.Mode&0o7777, os.Geteuid())
}
