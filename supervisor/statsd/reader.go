package statsd

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"supd/socket"
	"supd/supervisor/output"
)

// Reader reads all ports.
type Reader struct {
	log     *slog.Logger
	mapping Mapping
	forward *forward // nil: nowhere

	mu       sync.Mutex
	epoll    *output.Epoll // of all ports; nil: nothing was opened yet
	last     int32
	ports    map[int32]*Port
	senders  *senders
	trouble  error // of senders, that was logged
	books    *books
	batch    *batch
	savedAt  time.Time
	willSave bool // to the file, soon
	saveTook time.Duration
	saves    uint64

	file store
}

// New makes a reader that has read nothing, and records what it counts in a file.
// forwardTo is "host:port", or "" for nowhere.
func New(log *slog.Logger, mapping Mapping, forwardTo, path string) *Reader {
	r := &Reader{log: log, mapping: mapping, ports: map[int32]*Port{}, books: newBooks(), file: store{path: path, log: log}}
	if forwardTo != "" {
		r.forward = newForward(forwardTo, log)
	}
	return r
}

// Open makes a port for a launch.
func (r *Reader) Open(s Source) (*Port, error) {
	fd, err := listen(0)
	if err != nil {
		return nil, fmt.Errorf("statsd port: %w", err)
	}
	return r.adopt(fd, s, false)
}

// Adopt goes on with the socket of a launch that an earlier supd has opened. It is the
// port's then, and is closed after an error.
func (r *Reader) Adopt(fd int, s Source) (*Port, error) { return r.adopt(fd, s, true) }

// Rebind opens a launch's port anew, since nobody has its socket any more.
func (r *Reader) Rebind(port uint16, s Source) (*Port, error) {
	fd, err := listen(port)
	if err != nil {
		return nil, fmt.Errorf("statsd port %d: %w", port, err)
	}
	return r.adopt(fd, s, true)
}

func (r *Reader) adopt(fd int, s Source, resumed bool) (*Port, error) {
	p, err := newPort(fd, s)
	if err == nil {
		err = r.add(p, resumed)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("statsd port: %w", err)
	}
	return p, nil
}

// add begins to read a port.
func (r *Reader) add(p *Port, resumed bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoll == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	r.last++
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: r.last}
	if err := unix.EpollCtl(r.epoll.FD, unix.EPOLL_CTL_ADD, p.fd, &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	p.reader, p.id = r, r.last
	if !p.source.Ignored {
		p.tally = r.books.open(p, resumed)
	}
	r.ports[p.id] = p
	return nil
}

// begin opens what reading takes: a supd that has no port needs nothing of it.
func (r *Reader) begin() error {
	diag, err := socket.OpenDiag()
	if err != nil {
		return err
	}
	epoll, err := output.NewEpoll()
	if err != nil {
		return errors.Join(err, diag.Close())
	}
	r.epoll, r.batch, r.senders = epoll, newBatch(), newSenders(diag.SenderOf)
	go r.run(epoll)
	return nil
}

// pause is between two looks at ports that send all the time: a wake for each datagram
// would cost more than to read it. What comes meanwhile waits in the socket.
const pause = 4 * time.Millisecond

// turn is how long one port is read before the next one.
const turn = 5 * time.Millisecond

func (r *Reader) run(epoll *output.Epoll) {
	room := make([]unix.EpollEvent, 64)
	for {
		events := epoll.Wait(room)
		more, begin := false, time.Now()
		for _, e := range events {
			more = r.read(e.Fd) || more
			if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0 {
				r.deaf(e.Fd)
			}
		}
		r.saveSoon()
		if more { // a flood gets two thirds of a processor: the rest of supd runs beside it
			time.Sleep(time.Since(begin) / 2)
		} else {
			time.Sleep(pause)
		}
	}
}

// read reads a port, and reports whether it has more.
func (r *Reader) read(id int32) (more bool) {
	for end := time.Now().Add(turn); time.Now().Before(end); {
		if n := r.readBatch(id); n < batchSize {
			return false
		}
	}
	return true
}

// deaf leaves out a port that its worker has shut down: it would wake the reader again
// and again.
func (r *Reader) deaf(id int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.ports[id]; p != nil {
		_ = unix.EpollCtl(r.epoll.FD, unix.EPOLL_CTL_DEL, p.fd, nil)
		r.log.Warn("a worker has shut its statsd port down: nothing more of it counts", "worker", p.source.worker())
	}
}

// drain reads what waits at a port, until a time.
func (r *Reader) drain(p *Port, until time.Time) {
	for r.receive(p) == batchSize && time.Now().Before(until) {
	}
}

// readBatch holds the lock: a port is not closed meanwhile.
func (r *Reader) readBatch(id int32) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.ports[id]
	if p == nil {
		return 0
	}
	return r.receive(p)
}

func (r *Reader) receive(p *Port) int {
	n := r.batch.receive(p.fd)
	for i := range n {
		text, from, whole := r.batch.datagram(i)
		r.datagram(p, text, from, whole)
	}
	r.complain()
	return n
}

func (r *Reader) datagram(p *Port, text []byte, from netip.AddrPort, whole bool) {
	mine := r.senders.is(p.source.UID, from, p.addr)
	if p.tally == nil {
		return
	}
	switch {
	case !mine:
		r.refuse(p.tally, Stranger, 1, "") // whose text is nobody's
	case !whole:
		r.refuse(p.tally, TooLong, 1, string(text))
	default:
		p.tally.slot.Datagrams++
		r.forward.send(text)
		r.count(p, text)
	}
}

// complain logs once that senders cannot be found out, and once that they can.
func (r *Reader) complain() {
	wrong := r.senders.wrong
	switch {
	case wrong != nil && r.trouble == nil:
		r.log.Error("statsd datagrams are refused: nobody can tell who sends them", "error", wrong)
	case wrong == nil && r.trouble != nil:
		r.log.Info("statsd datagrams are counted again")
	}
	r.trouble = wrong
}

// Close ends a port, after the last process that could send to it. What it has sent is
// counted before.
func (p *Port) Close() error {
	r := p.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ports[p.id] != p {
		return nil
	}
	r.drain(p, time.Now().Add(turn))
	p.countDrops()
	delete(r.ports, p.id)
	r.books.close(p, r.ports)
	_ = unix.EpollCtl(r.epoll.FD, unix.EPOLL_CTL_DEL, p.fd, nil) // a deaf one is out of it already
	return os.NewSyscallError("close", unix.Close(p.fd))
}

// Settle forgets what was counted of launches that nobody has gone on with.
func (r *Reader) Settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.books.launches)
}
