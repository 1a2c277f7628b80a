package launch

import (
	"os"

	"golang.org/x/sys/unix"
)

// Places are numbers low in supd's descriptor table. A child copies what is open below
// the highest descriptor that its worker gets (see privdrop), so what a launch passes on
// stands at such numbers meanwhile: beside ten thousand workers its own would be high.
//
// A number is kept by a copy of /dev/null while nothing else has it.
type Places struct {
	null int
	free chan []int // sets of numbers, one for each launch at a time
}

const (
	placeSets = 16 // a launch that finds none free costs more
	placeSize = 4  // what is passed on beyond that stays where it is
)

// NewPlaces keeps the lowest numbers that are free. Null stays the caller's.
func NewPlaces(null *os.File) *Places {
	p := &Places{null: int(null.Fd()), free: make(chan []int, placeSets)}
	for range placeSets {
		var set []int
		for range placeSize {
			if fd, err := unix.FcntlInt(uintptr(p.null), unix.F_DUPFD_CLOEXEC, 0); err == nil {
				set = append(set, fd)
			}
		}
		p.free <- set
	}
	return p
}

// lend copies what is higher to places, as far as there are any, and gives the numbers
// to use in their stead. It is undone by back.
func (p *Places) lend(files []int) (low []int, back func()) {
	var set []int
	select {
	case set = <-p.free:
	default:
		return files, func() {}
	}
	at, used := map[int]int{}, 0
	for _, fd := range files {
		if _, known := at[fd]; !known && used < len(set) && fd > set[used] && unix.Dup3(fd, set[used], unix.O_CLOEXEC) == nil {
			at[fd], used = set[used], used+1
		}
		if place, is := at[fd]; is {
			fd = place
		}
		low = append(low, fd)
	}
	return low, func() {
		for _, place := range set[:used] {
			unix.Dup3(p.null, place, unix.O_CLOEXEC) // both are open
		}
		p.free <- set
	}
}
