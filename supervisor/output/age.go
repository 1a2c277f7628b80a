package output

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// againAfter is how long a file that cannot be rotated for its age is left alone.
const againAfter = time.Minute

// birth is when a file was made, or now if the file system does not know.
func birth(file *os.File) time.Time {
	if _, at, isKnown := origin(file); isKnown {
		return at
	}
	return time.Now()
}

// origin is the inode of a file, and when it was made (statx(2), STATX_BTIME).
func origin(file *os.File) (inode uint64, at time.Time, isKnown bool) {
	var st unix.Statx_t
	if unix.Statx(int(file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st) != nil || st.Mask&unix.STATX_BTIME == 0 {
		return st.Ino, at, false
	}
	return st.Ino, time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)), true
}

// Identity tells texts apart, also from those of files that are gone, whose inodes others
// get. It stays when a log is rotated and compressed.
func Identity(t Text) uint64 {
	if p, is := t.(*packedText); is {
		return p.origin
	}
	file, is := t.(*os.File)
	if !is {
		return 0
	}
	inode, at, isKnown := origin(file)
	if !isKnown {
		return inode
	}
	const spread = 0x9e3779b97f4a7c15 // 2⁶⁴ by the golden ratio: files are made one after the other
	return inode*spread ^ uint64(at.UnixNano())
}

// age sets the timer by which the file is rotated once it is too old. An empty file has
// none: its age counts from its first line.
func (l *Log) age() {
	l.stopAging()
	if l.file != nil && l.options.MaxAge > 0 && l.size > 0 && !l.closed {
		l.aged = time.AfterFunc(time.Until(l.born.Add(l.options.MaxAge)), l.rotateOld)
	}
}

func (l *Log) stopAging() {
	if l.aged != nil {
		l.aged.Stop()
	}
}

// rotateOld rotates the file if it is too old. The timer has a goroutine for it.
func (l *Log) rotateOld() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.file == nil || l.options.MaxAge <= 0 || l.look() {
		return
	}
	if l.size == 0 || time.Since(l.born) < l.options.MaxAge {
		l.age() // the clock may have been set
		return
	}
	err := l.shift()
	if err != nil {
		l.aged = time.AfterFunc(againAfter, l.rotateOld)
	}
	if err != nil && !l.stays {
		l.sayStays(err)
	}
	l.stays = err != nil
}
