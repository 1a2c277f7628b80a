package supervisor

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// Most descriptors that a worker takes: its pidfd and another one while it is looked for,
// two pipes and the files of their logs, and the sockets for notify, statsd and probes.
const descriptorsEach = 9

// spareDescriptors are for what has to go on beside the workers, in number.
const spareDescriptors = 64

// raiseDescriptors makes sure that the workers of an earlier supd can be taken over,
// which may have been allowed more descriptors than this one.
func (h *host) raiseDescriptors(p *predecessor) {
	workers := 0
	for i := range p.slots {
		workers += len(p.slots[i].Workers)
	}
	if workers == 0 {
		return
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // what does not go is said then
	}
	want := len(open) + spareDescriptors + workers*descriptorsEach
	if err := privdrop.RaiseNofile(uint64(want)); err != nil {
		h.log.Warn("the limit of open files may be too low for the workers of an earlier supd, and cannot be raised", "limit", mostDescriptors(), "wanted", want, "workers", workers, "error", err, "remedy", moreDescriptors)
	}
}

const moreDescriptors = "raise LimitNOFILE= of its unit, or `ulimit -n` of what starts it"

// enoughDescriptors says what to do where the limit was met.
func enoughDescriptors(err error) error {
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("%w: this supd may have %d; %s", err, mostDescriptors(), moreDescriptors)
	}
	return err
}

func mostDescriptors() uint64 {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return 0
	}
	return now.Cur
}
