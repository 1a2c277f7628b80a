package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/privdrop/files"
	"supd/socket"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
	"supd/supervisor/output"
	"supd/supervisor/record"
	"supd/supervisor/statsd"
	"supd/supervisor/tree"
)

// host does for the owner what is done outside of it. Its methods run in the owner's
// goroutine, except where they say otherwise; what they start in others reports by
// post.
type host struct {
	log      *slog.Logger
	post     func(engine.Event) // any goroutine
	launcher *launch.Launcher
	sockets  *sockets
	files    *output.Files // whose counts are recorded
	statsd   *statsd.Reader
	upkeep   *upkeep
	writer   record.Writer
	lasting  *lasting
	deaths   *deaths
	self     int
	garbage  *collector

	living      map[*launch.Worker]bool // not yet released
	dead        []*launch.Worker        // to be swept
	late        map[string]int          // so many are not given back in time, by process
	leaving     int                     // outputs that are left for a reexec that came to nothing
	predecessor *predecessor            // while it is taken over
}

func newHost(c *configs.Config, log *slog.Logger, files *output.Files, post func(engine.Event)) (*host, error) {
	runtime := c.Daemon.Runtime
	lock, err := lockRuntime(runtime)
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	places := launch.NewPlaces(null) // before logs and sockets are opened, which are many
	set, err := socket.NewSet(runtime.Sockets())
	if err != nil {
		return nil, err
	}
	dir, why := tree.OwnedCgroup()
	if dir == "" {
		log.Info("no cgroup of its own: left-over processes are found through /proc", "why", why)
	}
	if os.Geteuid() == 0 && privdrop.Traceable() {
		log.Warn("fs.suid_dumpable is 1: while a worker is launched, processes of its user can read supd's memory; set it to 0 or 2")
	}
	boot, err := tree.BootID()
	if err != nil {
		return nil, err
	}
	h := &host{log: log, post: post, self: os.Getpid(), garbage: newCollector(), living: map[*launch.Worker]bool{}, late: map[string]int{},
		sockets: &sockets{log: log, set: set}, files: files, writer: record.Writer{Log: log, Path: runtime.Record(), Boot: boot},
		lasting: newLasting(c.Daemon.State, log, post)}
	if h.deaths, err = newDeaths(); err != nil {
		return nil, err
	}
	mapping, err := configs.ReadMapping(c.Metrics.StatsdMapping)
	if err != nil {
		return nil, err
	}
	h.upkeep = &upkeep{log: log, runtime: runtime, lock: lock, note: h.noteAll}
	h.statsd = statsd.New(log, mapping, c.Metrics.Forward, runtime.Statsd())
	h.launcher = &launch.Launcher{Log: log, Runtime: runtime, Null: null, Places: places, Rooms: launch.NewRooms(log, runtime, namesOf(c)), Cgroups: dir, Statsd: h.statsd, Run: h.run, RunAlone: h.runAlone, Late: func(process string, n int) {
		h.post(func(*engine.Owner) { h.isLate(process, n) })
	}}
	return h, nil
}

// lockTime is how long the lock of a supd that was killed is waited for: it goes
// when the last of its threads ends, some time after the process is seen to be gone.
const lockTime = time.Second

// openLock opens the file of the lock, with os.O_CREATE as the flag also where it is not
// there. Nobody else may have had a hand in it.
func openLock(path string, flag int) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; remove it", path)
	}
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := files.IsOurs(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// lockRuntime keeps a second supd away from the runtime directory. The lock goes
// with the process.
func lockRuntime(runtime configs.Runtime) (*os.File, error) {
	path := runtime.Lock()
	file, err := openLock(path, os.O_CREATE)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for end := time.Now().Add(lockTime); err == unix.EWOULDBLOCK && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		return file, nil
	}
	file.Close()
	if err == unix.EWOULDBLOCK {
		return nil, errHeld(runtime)
	}
	return nil, &os.PathError{Op: "flock", Path: path, Err: err}
}

// save writes what runs, in a goroutine of its own.
func (h *host) save(r *record.Record, written func(), done func(ok bool) engine.Event) {
	go func() {
		if r.Logs = h.files.Changed(); !r.Part {
			r.Logs = h.files.Counts()
		}
		h.writer.Write(r)
		written()
		h.post(done(!h.writer.Failed))
	}()
}

// close is called when nothing runs any more.
func (h *host) close() {
	if err := h.sockets.close(); err != nil {
		h.log.Warn("closing sockets", "error", err)
	}
	h.lasting.close()
	h.deaths.close()
	h.garbage.end.Stop()
	h.launcher.Null.Close()
	h.upkeep.end()
}

// Kept is a listening socket that somebody else is to hold as well, so that it
// outlives supd.
type Kept struct {
	Key string
	Fds []int // duplicates, which the receiver closes; none: the socket was closed
}

// keeping is what was said to whoever keeps sockets.
type keeping struct {
	changed func([]Kept)
	inodes  map[string][]uint64 // of the sockets that were passed on, by key
}

// predecessor is what an earlier supd has left.
type predecessor struct {
	became   bool          // it was this very process, when it was another program
	recorded bool          // there is a record, of this boot of the machine
	passed   launch.Passed // descriptors that came through an execve
	slots    []record.Slot
	logs     map[string]output.Count           // what was written to each log
	workers  map[*record.Worker]*launch.Worker // the living and the dead
}
