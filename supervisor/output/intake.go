package output

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

var magic = [16]byte([]byte("supd output 1\n\x00\x00"))

const (
	headSize = int(unsafe.Sizeof(head{}))
	// intakeSize has room for what comes during a pause in a flood, besides an
	// unfinished line and the head.
	intakeSize = 8*maxLine + 16<<10
	// An intake with more memory than largeIntake gives it back while its worker is
	// silent.
	largeIntake = 16 << 10
)

var page = os.Getpagesize()

var errIntake = errors.New("not what a supd of this version writes")

// newIntake makes an intake without a file. Its memory is Go's only if the process
// may have no more mappings (vm.max_map_count).
func newIntake() *intake {
	memory, err := unix.Mmap(-1, 0, intakeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		memory = make([]byte, intakeSize)
	}
	return view(memory, headSize)
}

// view makes an intake of memory, whose data begins at offset.
func view(memory []byte, offset int) *intake {
	offset = (offset + 7) &^ 7
	in := &intake{memory: memory, head: (*head)(unsafe.Pointer(&memory[0])), data: memory[offset:]}
	in.first = -offset & (page - 1)
	in.touch(int(in.state().end))
	return in
}

// touch notes that the data has pages up to end.
func (in *intake) touch(end int) {
	in.touched = in.first + (max(0, end-in.first)+page-1)&^(page-1)
}

// close unmaps the memory, and leaves the file.
func (in *intake) close() { _ = unix.Munmap(in.memory) } // it knows what it has mapped

// remove removes the file, too.
func (in *intake) remove() {
	if in.path != "" {
		_ = unix.Unlink(in.path) // a file that stays holds nothing
	}
	in.close()
}

func (in *intake) state() state { return in.head.states[atomic.LoadUint32(&in.head.turn)&1] }

func (in *intake) set(s state) {
	next := ^in.head.turn & 1
	in.head.states[next] = s
	atomic.StoreUint32(&in.head.turn, next)
}

// held is what was taken from the pipe and not written to the log.
func (in *intake) held() []byte {
	if in == nil {
		return nil
	}
	s := in.state()
	return in.data[s.begin:s.end]
}

// space is how many more bytes fit.
func (in *intake) space() int { return len(in.data) - int(in.state().end) }

// take reads n bytes, which are in the pipe, and returns how many came.
func (in *intake) take(fd, n int) (int, error) {
	s := in.state()
	place := in.data[s.end:][:n]
	if in.path != "" {
		mapIn(place)
		s.reading = uint32(n)
		copy(s.mark[:], mark(fd, place))
		in.set(s)
	}
	got, err := unix.Read(fd, place)
	s.reading = 0
	s.end += uint32(max(got, 0))
	in.set(s)
	return max(got, 0), err
}

// mapIn maps all pages of a place for writing. They are not always: the kernel protects
// what it has written back, and another supd may have reserved them. If a page is not
// mapped, and another thread is changing what is mapped, a read ends there when supd is
// killed at that moment; what it has copied before is out of the pipe by then.
func mapIn(place []byte) {
	for at := 0; at < len(place); at += page {
		place[at] = 0
	}
}

// mark writes bytes to the end of place that the coming read will replace by other
// ones, and returns them.
func mark(fd int, place []byte) []byte {
	m := place[max(0, len(place)-len(state{}.mark)):]
	if len(m) == len(place) && peek(fd, m) == nil {
		for i, b := range m {
			m[i] = ^b
		}
		return m
	}
	for i := range m {
		m[i] = byte(rand.Uint32()) // no worker writes 16 bytes that it cannot know
	}
	return m
}

// writes notes that the first n bytes held are going to be written.
func (in *intake) writes(n int, file fileID, size int64, newline bool) {
	if in == nil || in.path == "" {
		return
	}
	s := in.state()
	s.writing, s.newline, s.file, s.size = uint32(n), 0, file, size
	if newline {
		s.newline, s.midline = 1, 0
	}
	in.set(s)
}

// wrote drops the first n bytes held: they are in the log, which has that size now,
// or could not be written.
func (in *intake) wrote(n int, size int64, midline bool) {
	if in == nil {
		return
	}
	s := in.state()
	s.begin += uint32(n)
	s.writing, s.newline, s.midline, s.size = 0, 0, 0, size
	if midline {
		s.midline = 1
	}
	if s.begin == s.end {
		s.begin, s.end = 0, 0
	}
	in.set(s)
}

// compact moves what is held to the beginning of the data, unless the two places
// overlap, so that an idle worker needs one page.
func (in *intake) compact() {
	s := in.state()
	if n := s.end - s.begin; s.begin > 0 && n <= s.begin {
		copy(in.data, in.data[s.begin:s.end])
		s.begin, s.end = 0, n
		in.set(s)
	}
}

// reserve makes sure that n more bytes have memory: a file may be on a full disk.
func (in *intake) reserve(n int) (err error) {
	end := int(in.state().end) + n
	if end <= in.touched {
		return nil
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil { // SIGBUS
			err = unix.ENOSPC
		}
	}()
	for at := in.touched; at < end; at += page {
		in.data[at] = 0
	}
	in.touch(end)
	return nil
}

// large reports whether there is enough memory to be worth giving back.
func (in *intake) large() bool { return in != nil && in.touched-in.first > largeIntake }

// shrink gives memory back if nothing is held.
func (in *intake) shrink() {
	if !in.large() || in.state().end > 0 {
		return
	}
	advice := unix.MADV_REMOVE
	if in.path == "" {
		advice = unix.MADV_DONTNEED
	}
	begin := len(in.memory) - len(in.data) + in.first
	if unix.Madvise(in.memory[begin:], advice) == nil {
		in.touched = in.first
	}
}

// settleRead finishes the read in which the last supd was killed.
func (in *intake) settleRead() {
	s := in.state()
	if s.reading > 0 {
		end := s.end + s.reading
		n := min(int(s.reading), len(s.mark))
		if !bytes.Equal(in.data[int(end)-n:end], s.mark[:n]) {
			s.end = end
		}
		s.reading = 0
		in.set(s)
	}
}

// isWritten reports whether the last supd was killed while it wrote to the log.
func (in *intake) isWritten() bool { return in.state().writing > 0 }

// settleWrite finishes that. Nobody may have written to the log since.
func (in *intake) settleWrite() {
	if s := in.state(); s.writing > 0 {
		n, size := complete(in.log(), s, in.data[s.begin:][:s.writing])
		midline := s.midline == 1
		if n > 0 {
			midline = in.data[int(s.begin)+n-1] != '\n'
		}
		in.wrote(n, size, midline)
	}
}

// log is the path of the log.
func (in *intake) log() string {
	path, _ := parseAddress(in.address())
	return path
}

// address is behind the head.
func (in *intake) address() string { return string(in.memory[headSize:][:in.head.length]) }

// valid is nil if the intake was written by a supd like this one, since the last
// boot.
func (in *intake) valid(boot string) error {
	h, room := in.head, uint64(len(in.data))
	s := in.state()
	switch {
	case h.magic != magic || h.turn > 1:
		return errIntake
	case string(h.boot[:]) != boot:
		return errors.New("the machine was booted since")
	case s.begin > s.end || uint64(s.end)+uint64(s.reading) > room || uint64(s.begin)+uint64(s.writing) > uint64(s.end) || s.size < 0:
		return errIntake
	}
	return nil
}
