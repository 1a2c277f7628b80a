package launch

import (
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"supd/supervisor/statsd"
)

// openStatsd opens the port of a worker that sends statsd datagrams. A worker that
// cannot have one, since somebody has taken all ports, is launched without: its figures
// are not worth the site.
func (w *Worker) openStatsd() {
	if !w.spec.Process.Statsd {
		return
	}
	port, err := w.launcher.Statsd.Open(w.source())
	if err != nil {
		w.launcher.Log.Error("a worker is launched without a statsd port: nothing that it says counts", "worker", w.spec.Name(), "error", err)
		return
	}
	w.statsd = port
	w.rememberStatsd()
}

func (w *Worker) rememberStatsd() {
	w.Belongings.Statsd, w.Belongings.StatsdInode = w.statsd.Addr().Port(), w.statsd.Inode()
}

func (w *Worker) source() statsd.Source {
	s := w.spec
	source := statsd.Source{Origin: statsd.Origin{App: s.App, Process: s.Process.Name, Slot: s.Slot},
		Launch: s.File(), UID: s.Account.UID, Ignored: s.Candidate}
	if s.Release != nil {
		source.Release = s.Release.Name
	}
	return source
}

// discard is where nobody listens (RFC 863): a sender must be told something.
var discard = netip.MustParseAddrPort("127.0.0.1:9")

// statsdAddr is where the worker sends to; the zero AddrPort if it is to have no port.
func (w *Worker) statsdAddr() netip.AddrPort {
	switch {
	case w.statsd != nil:
		return w.statsd.Addr()
	case w.spec.Process.Statsd:
		return discard
	default:
		return netip.AddrPort{}
	}
}

// takeStatsd goes on with the port of a worker that was taken over. Its socket is in
// the worker; one that the worker has closed is bound anew.
func (w *Worker) takeStatsd(passed Passed) (err error) {
	fd, ok := passed.take(passedStatsd(w.spec.File()))
	if w.Belongings.Statsd == 0 {
		return nil // it was launched without
	}
	if !ok && w.process != nil {
		fd, err = w.Held(w.Belongings.StatsdInode)
		ok = err == nil
	}
	source := w.source()
	if uid, noted := w.notedUID(); noted { // the account may be another one by now, or not be known
		source.UID = uid
	}
	if ok {
		w.statsd, err = w.launcher.Statsd.Adopt(fd, source)
	} else {
		w.statsd, err = w.launcher.Statsd.Rebind(w.Belongings.Statsd, source)
	}
	if err != nil {
		return fmt.Errorf("what it says by statsd is lost: %w", err)
	}
	w.rememberStatsd()
	return nil
}

// leaveStatsd passes the socket on.
func (w *Worker) leaveStatsd(p *Passing) {
	if w.statsd == nil {
		return
	}
	if fd, err := unix.FcntlInt(uintptr(w.statsd.Fd()), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		p.Add(passedStatsd(w.spec.File()), fd)
		p.undo = append(p.undo, func() { unix.Close(fd) })
	}
}

// Requests are those that the worker has said by statsd to have answered, and those of
// them that have failed (5xx).
func (w *Worker) Requests() (all, failed int64) {
	if w.statsd == nil {
		return 0, 0
	}
	return w.statsd.Requests()
}

// statsdEnv is what the common clients look for.
func statsdEnv(at netip.AddrPort) map[string]string {
	return map[string]string{"STATSD_HOST": at.Addr().String(), "STATSD_PORT": strconv.Itoa(int(at.Port()))}
}
