package statsd

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forward sends datagrams on, unchanged.
type forward struct {
	to     string
	log    *slog.Logger
	conn   atomic.Pointer[syscall.RawConn] // nil: not yet
	seeks  atomic.Bool                     // a goroutine looks for the address
	unsent atomic.Int64
	fails  int // is above 0 while it was said that they cannot be sent; with the reader's lock
}

// How long the address may be looked for, and how long after that it is looked for
// again.
const (
	lookupTime  = 5 * time.Second
	lookupPause = 30 * time.Second
)

func newForward(to string, log *slog.Logger) *forward {
	f := &forward{to: to, log: log}
	f.seek()
	return f
}

// seek looks for the address, unless somebody does.
func (f *forward) seek() {
	if f.seeks.Swap(true) {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp", f.to)
		if err == nil {
			var raw syscall.RawConn
			if raw, err = conn.(*net.UDPConn).SyscallConn(); err == nil {
				f.log.Info("statsd datagrams are forwarded", "to", f.to, "address", conn.RemoteAddr().String())
				f.conn.Store(&raw)
				return
			}
		}
		f.log.Error("statsd datagrams cannot be forwarded", "to", f.to, "error", err)
		time.AfterFunc(lookupPause, func() { f.seeks.Store(false) })
	}()
}

// send sends one, or drops it: it never waits.
func (f *forward) send(text []byte) {
	if f == nil {
		return
	}
	conn := f.conn.Load()
	if conn == nil {
		f.unsent.Add(1)
		f.seek()
		return
	}
	err := error(unix.EBADF)
	_ = (*conn).Write(func(fd uintptr) bool {
		_, err = unix.SendmsgN(int(fd), text, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return true
	})
	if err != nil {
		f.unsent.Add(1)
	}
	f.tell(err)
}

// wellAfter is how many in a row must be sent until that is said: where nobody listens
// the kernel refuses each second one (udp(7)).
const wellAfter = 100

// tell says once that datagrams cannot be sent, and once that they can.
func (f *forward) tell(err error) {
	switch {
	case err != nil && f.fails == 0:
		f.log.Error("statsd datagrams cannot be forwarded", "to", f.to, "error", err)
		f.fails = wellAfter
	case err != nil:
		f.fails = wellAfter
	case f.fails > 0:
		if f.fails--; f.fails == 0 {
			f.log.Info("statsd datagrams are forwarded again", "to", f.to)
		}
	}
}
