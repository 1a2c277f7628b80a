package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop/files"
	"supd/socket"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// handed is what the next supd gets: the sockets that the supd which runs has, and
// those that were given to the workers that are recorded.
type handed struct {
	sockets *socket.Handed
	systemd *socket.Handed // what systemd has open, for supd or for anybody else
	unknown bool           // there are more, which this process may not see

	inodes map[uint64]bool
}

// handedOn asks for the supd with the pid replaced, or, where that is 0 for not known, for the
// one that has the lock.
func handedOn(runtime configs.Runtime, replaced int) handed {
	h := handed{inodes: map[uint64]bool{}}
	if replaced != 0 {
		h.addOpen(replaced, h.inodes)
		h.addTold(os.Stdin)
	} else if all := holders(runtime.Lock()); len(all) > 0 {
		h.addOpen(all[0], h.inodes)
	}
	switch data, err := files.ReadOurs(runtime.Record(), record.MostBytes); { // that of a stranger says nothing
	case errors.Is(err, fs.ErrPermission):
		h.unknown = true
	case err == nil:
		if r, err := record.Parse(data); err == nil {
			h.addRecorded(r)
		}
	}
	h.sockets = socket.HandedOn(h.inodes)
	h.keptBy(systemd())
	return h
}

// systemd is its pid where it is the init, or 0.
func systemd() int {
	if name, err := os.ReadFile("/proc/1/comm"); err == nil && string(name) == "systemd\n" {
		return 1
	}
	return 0
}

// keptBy notes where the sockets of a process listen that gives some of them to supd: those
// that it keeps of the last one, and those of socket units.
func (h *handed) keptBy(pid int) {
	open := map[uint64]bool{}
	if pid != 0 {
		h.addOpen(pid, open)
	}
	h.systemd = socket.HandedOn(open)
}

// check is socket.Check of one that an app has. Which of systemd's are supd's is not said
// anywhere that can be read.
func (h *handed) check(spec socket.Spec) error {
	err := socket.Check(spec, h.sockets, false)
	if errors.Is(err, socket.ErrTaken) && socket.Check(spec, h.systemd, false) == nil {
		return keptError{spec.Listen}
	}
	return err
}

// keptError says that it is systemd that listens at an address.
type keptError struct{ listen string }

func (e keptError) Error() string {
	return e.listen + ": systemd listens there: supd takes it over where systemd keeps it for supd, or a socket unit of supd's has it (`systemctl list-sockets` shows those; stop it if it is another's)"
}

func (keptError) Is(target error) bool { return target == socket.ErrTaken }

func (h *handed) addRecorded(r *record.Record) {
	for i := range r.Slots {
		for _, w := range r.Slots[i].Workers {
			for _, inode := range w.Belongings.Sockets {
				h.inodes[inode] = true
			}
		}
	}
}

// addOpen adds the sockets that a process has open to inodes, "socket:[INODE]" in
// proc_pid_fd(5).
func (h *handed) addOpen(pid int, inodes map[uint64]bool) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		h.unknown = true
		return
	}
	for _, e := range entries {
		target, err := os.Readlink(dir + "/" + e.Name())
		if errors.Is(err, fs.ErrPermission) { // the names may be read without the right to trace it, and no more
			h.unknown = true
			return
		}
		number, is := strings.CutPrefix(strings.TrimSuffix(target, "]"), "socket:[")
		if err != nil || !is {
			continue
		}
		if inode, err := strconv.ParseUint(number, 10, 64); err == nil {
			inodes[inode] = true
		}
	}
}

// checkHeld says that somebody else than the supd with that pid has the lock, as far as that
// can be seen.
func checkHeld(runtime configs.Runtime, pid int) error {
	all := holders(runtime.Lock())
	if len(all) == 0 || slices.Contains(all, pid) || slices.Contains(all, 0) {
		return nil
	}
	return errHeld(runtime)
}

func errHeld(runtime configs.Runtime) error {
	return fmt.Errorf("another supd runs with %s as its runtime directory; stop it, or give this one a directory of its own", runtime)
}

// holders are the processes that may have locked a file by flock(2), the likeliest first; 0
// is one that cannot be seen.
func holders(path string) []int {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return nil
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return []int{0}
	}
	defer locks.Close()
	return holdersIn(locks, &st)
}

// holdersIn: a line of /proc/locks is "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE …"
// (proc_locks(5)). Anybody may have a file with the same inode on another file system, but
// only the owner of this one can have opened it. overlayfs and btrfs have other numbers of
// devices there than stat(2) gives, so that any will do where nothing is better.
func holdersIn(locks io.Reader, st *unix.Stat_t) (all []int) {
	inode := ":" + strconv.FormatUint(st.Ino, 10)
	own := fmt.Sprintf("%02x:%02x", unix.Major(st.Dev), unix.Minor(st.Dev)) + inode
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		pid, _ := strconv.Atoi(fields[4])
		if uid, err := tree.RealUID(pid); err == nil && uid != int(st.Uid) { // who cannot be seen may be it
			continue
		}
		if fields[5] == own {
			return []int{pid}
		}
		all = append(all, pid)
	}
	return all
}
