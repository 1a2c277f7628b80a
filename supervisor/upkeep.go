package supervisor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/engine"
)

// What was removed is put back after upkeepLeast: who removes a directory with all that is
// in it is to be done with that. What cannot be put back is tried with growing delays.
const (
	upkeepLeast = 100 * time.Millisecond
	upkeepMost  = 10 * time.Second
)

// upkeep puts the runtime directory back when somebody removes it, or what is supd's own in
// it: were supd killed without, the next one would not know what runs, and start it a
// second time. It has a goroutine of its own, which wakes up for that alone.
type upkeep struct {
	log     *slog.Logger
	runtime configs.Runtime
	lock    *os.File                      // of the runtime directory
	note    func(written chan<- struct{}) // writes what runs into a directory that was made anew
	events  *os.File                      // inotify(7)
	quit    chan struct{}
	done    chan struct{}
}

// lostEvents are those of a name in the directory, or of the directory itself, that goes.
const lostEvents = unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// begin starts the goroutine. Without inotify nothing is put back.
func (u *upkeep) begin() {
	u.quit, u.done = make(chan struct{}), make(chan struct{})
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		u.events = os.NewFile(uintptr(fd), "inotify")
		err = u.watch()
	}
	if err != nil {
		u.log.Warn("the runtime directory would not be put back if somebody removed it (are fs.inotify.max_user_instances and max_user_watches too low?)", "error", err)
		close(u.done)
		return
	}
	go u.run()
}

// watch begins to watch the directory that is there now.
func (u *upkeep) watch() error {
	raw, err := u.events.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		_, failed = unix.InotifyAddWatch(int(fd), string(u.runtime), lostEvents)
	})
	return errors.Join(err, os.NewSyscallError("inotify_add_watch", failed))
}

// rest ends the goroutine, before supd itself removes what is there.
func (u *upkeep) rest() {
	close(u.quit)
	if u.events != nil {
		u.events.Close()
	}
	<-u.done
}

// end lets another supd have the directory.
func (u *upkeep) end() { u.lock.Close() }

func (u *upkeep) run() {
	defer close(u.done)
	for u.hears() {
		failing := false
		for delay := upkeepLeast; ; delay = min(2*delay, upkeepMost) {
			select {
			case <-time.After(delay):
			case <-u.quit:
				return
			}
			if !u.isLost() {
				break
			}
			err := u.restore()
			switch {
			case err == nil:
				u.log.Warn("the runtime directory, or what supd has in it, was removed, and is back", "directory", u.runtime)
			case !failing:
				u.log.Error("the runtime directory, or what supd has in it, was removed and cannot be put back, trying again", "directory", u.runtime, "error", err)
			}
			failing = err != nil
		}
	}
}

// hears waits until something may be lost, and reports whether to go on.
func (u *upkeep) hears() bool {
	buffer := make([]byte, 4096)
	for {
		n, err := u.events.Read(buffer)
		if err != nil {
			return false // it was closed
		}
		if u.concerns(buffer[:n]) {
			return true
		}
	}
}

// concerns reads struct inotify_event. One without a name is about the directory itself.
func (u *upkeep) concerns(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		name := string(bytes.TrimRight(events[unix.SizeofInotifyEvent:end], "\x00"))
		if name == "" || slices.ContainsFunc(u.needed(), func(path string) bool { return filepath.Base(path) == name }) {
			return true
		}
		events = events[end:]
	}
	return false
}

// needed are the paths without which the next supd would not know what runs, and workers
// would not be heard.
func (u *upkeep) needed() []string {
	r := u.runtime
	return []string{r.Lock(), r.Record(), r.Launches(), r.Workers(), r.Probes(), r.Notifies(), r.Output()}
}

func (u *upkeep) isLost() bool {
	return u.isUnlocked() || slices.ContainsFunc(u.needed(), func(path string) bool {
		_, err := os.Lstat(path)
		return errors.Is(err, os.ErrNotExist)
	})
}

// isUnlocked reports whether the file that is locked is not the one at its path.
func (u *upkeep) isUnlocked() bool {
	locked, err := u.lock.Stat()
	now, gone := os.Lstat(u.runtime.Lock())
	return err == nil && (gone != nil || !os.SameFile(locked, now))
}

func (u *upkeep) restore() error {
	if err := u.runtime.Make(); err != nil {
		return err
	}
	if err := u.watch(); err != nil {
		return err
	}
	if u.isUnlocked() {
		lock, err := lockRuntime(u.runtime)
		if err != nil {
			return err
		}
		u.lock.Close()
		u.lock = lock
	}
	written := make(chan struct{})
	u.note(written)
	select {
	case <-written:
	case <-u.quit:
		return nil
	}
	if u.isLost() {
		return errors.New("what runs is not recorded, or it was removed again")
	}
	return nil
}

// noteAll writes the notes of all workers and a whole record.
func (h *host) noteAll(written chan<- struct{}) {
	h.post(func(o *engine.Owner) {
		var errs []error
		for w := range h.living {
			errs = append(errs, w.Renew())
		}
		if err := errors.Join(errs...); err != nil {
			h.log.Warn("what belongs to workers is not put back", "error", err)
		}
		o.RecordAgain(written)
	})
}
