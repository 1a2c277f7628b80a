package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop/files"
)

// room is a directory of root's. Where it would share a file system in memory with others,
// as below /run, it is one of its own.
type room struct {
	rooms   *Rooms
	app     string
	dir     string
	rubbish *Rubbish
	workers int // under the lock of Rooms

	mu     sync.Mutex
	made   bool // or found
	closed bool // what is there from now on is another's
}

// roomOptions bound what the workers of one app can put into their runtime directories: a
// tenth of the memory, as it is for users' directories in /run (logind.conf(5),
// RuntimeDirectorySize), and so many files that the most workers find room for their own
// and some scratch directories.
var roomOptions = fmt.Sprintf("mode=0711,size=10%%,nr_inodes=%d", 6*configs.MostWorkers)

// make makes the room if it was not made yet.
func (r *room) make() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.makeLocked()
}

// makeAgain is for one that somebody may have taken away.
func (r *room) makeAgain() error {
	if err := r.rooms.runtime.Make(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = r.made && isDirectory(r.dir)
	return r.makeLocked()
}

func (r *room) makeLocked() error {
	if r.made {
		return nil
	}
	err := os.Mkdir(r.dir, 0o711)
	if errors.Is(err, fs.ErrNotExist) {
		if err = r.rooms.runtime.Make(); err == nil {
			err = os.Mkdir(r.dir, 0o711)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := files.Own().Check(r.dir); err != nil { // it may have been there
		return err
	}
	r.mount()
	r.made = true
	return nil
}

// mount gives the room a file system of its own, which stays for the next supd.
func (r *room) mount() {
	if os.Geteuid() != 0 || !isMemory(r.dir) || r.isMounted() {
		return
	}
	why := "workers of an earlier supd have theirs in it"
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) == 0 {
		err := unix.Mount("supd", r.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, roomOptions)
		if err == nil {
			return
		}
		why = fmt.Sprintf("mount: %s", err)
	}
	r.rooms.said.Do(func() {
		r.rooms.log.Info("the runtime directories of an app's workers have no file system of their own: what they put in there is not bounded", "directory", r.dir, "why", why)
	})
}

func isMemory(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.TMPFS_MAGIC
}

// isMounted reports whether the room is on another file system than the directory that it
// is in.
func (r *room) isMounted() bool {
	var own, above unix.Stat_t
	return unix.Lstat(r.dir, &own) == nil && unix.Lstat(r.dir+"/..", &above) == nil && own.Dev != above.Dev
}

// exit throws the directory of a worker away, if it has one, and counts the worker no more.
func (r *room) exit(dir string) (err error) {
	if dir != "" {
		err = r.rubbish.Throw(dir)
	}
	if r.rooms.drop(r) {
		r.leave()
	}
	return err
}

// leave gives the room back, if nobody needs it and nothing is removed in it. Else it is
// called again.
func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.rooms
	l.mu.Lock()
	free := l.isFree(r)
	l.mu.Unlock()
	if !free || r.closed || r.rubbish.working() != nil {
		return
	}
	if err := r.remove(); err != nil {
		l.log.Warn("file system of the workers' runtime directories", "error", err)
		return
	}
	r.made = false
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.closed = l.isFree(r); r.closed { // else somebody waits to make it
		delete(l.rooms, r.app)
	}
}

// close takes the room away. What is being removed goes with its file system, or is waited
// for until ctx ends.
func (r *room) close(ctx context.Context) {
	if !r.isMounted() {
		r.rubbish.Wait(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.remove(); err != nil {
		r.rooms.log.Warn("file system of the workers' runtime directories", "error", err)
	}
	r.made, r.closed = false, true
}

// remove takes away the file system and the directory. That something is in there which
// cannot be removed, or that this process may not unmount it, is no error.
func (r *room) remove() error {
	if os.Geteuid() == 0 && isMemory(r.dir) && r.isMounted() {
		if err := unix.Unmount(r.dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EPERM {
			return &os.PathError{Op: "unmount", Path: r.dir, Err: err}
		}
	}
	if r.app == "" {
		return nil
	}
	switch err := unix.Rmdir(r.dir); err {
	case nil, unix.ENOENT, unix.ENOTEMPTY, unix.EEXIST, unix.EBUSY:
		return nil
	default:
		return &os.PathError{Op: "rmdir", Path: r.dir, Err: err}
	}
}
