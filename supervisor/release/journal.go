package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// noCow is FS_NOCOW_FL of linux/fs.h.
const noCow = 0x00800000

// Errors of a journal, for errors.Is; ErrNewer is one too.
var (
	ErrBusy    = errors.New("another supd has it open")
	ErrCorrupt = errors.New("nothing in it is readable")
)

// Journal holds the State of one app. Its blocks are allocated when it is made, so
// that it can be written on a full disk. A write replaces the older of two states,
// so that one is whole at any moment. Any goroutine may use it.
type Journal struct {
	mutex    sync.Mutex
	file     *os.File
	state    State
	sequence uint64 // of the current slot
	place    int    // of that slot, 0 or 1
	readOnly error
	lock     *os.File // that was locked, where file is another one
}

// OpenJournal opens an app's journal for its only writer, and makes it if there is
// none; see Store.StatePath.
//
// With ErrCorrupt it also returns a journal, an empty one: the file was set aside,
// under the name that the error has. With any other error it returns none; with
// ErrBusy and ErrNewer the file is as it was, and ReadState may still read a busy
// one. On a read-only file system the journal is open, and Write fails while it is one.
func OpenJournal(path string) (*Journal, error) {
	for range 100 { // again if another process makes it or sets it aside at the same moment
		j, err := openJournal(path)
		if !errors.Is(err, errMoved) {
			return j, err
		}
	}
	return nil, fmt.Errorf("%s: %w", path, ErrBusy)
}

// errMoved says that the file that was opened is not at its path any more.
var errMoved = errors.New("moved")

func openJournal(path string) (*Journal, error) {
	j := &Journal{}
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EROFS) {
		j.readOnly = err
		file, err = os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return createJournal(path)
	}
	if err != nil {
		return nil, err
	}
	if err := claim(file, path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	holds, place, state, err := readSlots(file)
	if errors.Is(err, ErrCorrupt) {
		return replaceJournal(file, path, err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	j.file, j.sequence, j.place, j.state = file, holds.sequence, place, state
	return j, nil
}

// claim locks an open file, and checks that it still is the one at the path.
func claim(file *os.File, path string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file; move it away", path)
	}
	if err := files.IsOurs(file); err != nil {
		return err
	}
	if err := flock(file, unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s: %w", path, ErrBusy)
	} else if err != nil {
		return &os.PathError{Op: "flock", Path: path, Err: err}
	}
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, now) {
		return errMoved
	}
	return err
}

// createJournal makes a journal, which is complete before it gets its name.
func createJournal(path string) (*Journal, error) {
	if err := files.MakeDirectories(filepath.Dir(path)); err != nil {
		return nil, err
	}
	j, err := freshJournal(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(errMoved, j.abandon())
	}
	if err := j.publish(); err != nil {
		return nil, err
	}
	return j, nil
}

const freshSuffix = ".new"

// freshJournal makes an empty journal under a temporary name. Only the process that
// has locked that file may give a journal its name or take it away.
func freshJournal(path string) (*Journal, error) {
	fresh := path + freshSuffix
	// Mode 0600: whoever can open it could lock it (flock(2)).
	fd, err := unix.Open(fresh, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.ENOENT) {
		return nil, errMoved // the directory is gone again
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: fresh, Err: err}
	}
	file := os.NewFile(uintptr(fd), path) // its name soon
	if err := claim(file, fresh); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	j := &Journal{file: file, place: 1, state: State{}.Clone()}
	if err = j.allocate(); err == nil {
		err = j.Write(State{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), j.abandon())
	}
	return j, nil
}

// abandon removes a fresh journal.
func (j *Journal) abandon() error {
	return errors.Join(os.Remove(j.file.Name()+freshSuffix), j.file.Close())
}

// publish gives a fresh journal its name.
func (j *Journal) publish() error {
	path := j.file.Name()
	if err := os.Rename(path+freshSuffix, path); err != nil {
		return errors.Join(err, j.abandon())
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return errors.Join(err, j.file.Close())
	}
	return nil
}

// allocate takes the blocks of both slots. Zeros are written as well: a block that
// is only reserved (fallocate(2)) may need room elsewhere when it is written.
func (j *Journal) allocate() error {
	fd := int(j.file.Fd())
	if err := unix.Ftruncate(fd, 0); err != nil { // of a killed process
		return err
	}
	// btrfs writes each block to a new place, unless told otherwise of an empty
	// file (chattr(1), C); the others do not know the flag.
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|noCow))
	}
	if err := unix.Fallocate(fd, 0, 0, 2*slotSize); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	if _, err := j.file.WriteAt(make([]byte, 2*slotSize), 0); err != nil {
		return err
	}
	return j.file.Sync()
}

// replaceJournal sets a corrupt journal aside, and puts an empty one in its place.
// If that cannot be made, the file stays where it is.
func replaceJournal(file *os.File, path string, why error) (*Journal, error) {
	defer file.Close() // locked until the other is in place
	j, err := freshJournal(path)
	if errors.Is(err, errMoved) || errors.Is(err, ErrBusy) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %v, and no other can be made: %w", path, why, err)
	}
	aside := path + ".corrupt"
	err = setAside(path, aside)
	for n := 2; errors.Is(err, unix.EEXIST); n++ {
		aside = path + ".corrupt." + strconv.Itoa(n)
		err = setAside(path, aside)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %v, and it cannot be set aside: %w", path, why, err), j.abandon())
	}
	if err := j.publish(); err != nil {
		return nil, err
	}
	return j, fmt.Errorf("%s: %w; it is %s now, and all that it knew of releases is lost", path, why, aside)
}

// setAside renames a file, unless the new name is taken.
func setAside(path, aside string) error {
	err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, aside, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	// The file system does not know the flag.
	if _, err := os.Lstat(aside); err == nil {
		return unix.EEXIST
	}
	return os.Rename(path, aside)
}

// State is what was read or written last.
func (j *Journal) State() State {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.state.Clone()
}

// Write makes s the State, and returns when it is on the disk. If it fails, the
// State before stays valid here, and on the disk one of the two. It blocks.
func (j *Journal) Write(s State) error {
	payload, s, err := fit(s)
	if err != nil {
		return err
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.readOnly != nil {
		if err := j.reopen(); err != nil {
			return err
		}
	}
	next := slot{format: journalFormat, sequence: j.sequence + 1, payload: payload}
	if _, err := j.file.WriteAt(next.encode(), int64(1-j.place)*slotSize); err != nil {
		return err
	}
	if err := unix.Fdatasync(int(j.file.Fd())); err != nil {
		return &os.PathError{Op: "fdatasync", Path: j.file.Name(), Err: err}
	}
	j.state, j.sequence, j.place = s, next.sequence, 1-j.place
	return nil
}

// reopen opens what was on a read-only file system to be written, if that is possible by
// now. What was locked stays so.
func (j *Journal) reopen() error {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", j.file.Fd()), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return j.readOnly
	}
	j.lock, j.file, j.readOnly = j.file, os.NewFile(uintptr(fd), j.file.Name()), nil
	return nil
}

// Close closes the journal; another may open it then.
func (j *Journal) Close() error {
	if j.lock != nil {
		return errors.Join(j.file.Close(), j.lock.Close())
	}
	return j.file.Close()
}

// ReadState reads the State of a journal that another process may be writing. The
// error is fs.ErrNotExist where there is none.
func ReadState(path string) (State, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return State{}, err
	}
	defer file.Close()
	if err := files.IsOurs(file); err != nil {
		return State{}, err
	}
	_, _, state, err := readSlots(file)
	if errors.Is(err, ErrCorrupt) { // both were written while they were read
		_, _, state, err = readSlots(file)
	}
	if err != nil {
		return State{}, fmt.Errorf("%s: %w", path, err)
	}
	return state, nil
}
