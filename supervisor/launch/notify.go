package launch

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// notifySocket receives sd_notify(3) messages of one worker: it has a socket of
// its own, so that nothing has to find out who sent what.
type notifySocket struct {
	conn *net.UnixConn
	path string
}

// notifies reports whether the worker gets a NOTIFY_SOCKET.
func (s Spec) notifies() bool { return s.Process.Ready.Notify || s.Process.Watchdog > 0 }

// openNotify binds the socket of a worker that notifies.
func (w *Worker) openNotify() error {
	if !w.spec.notifies() {
		return nil
	}
	runtime, path := w.launcher.Runtime, w.launcher.Runtime.Notify(w.spec.File())
	n, err := listenNotify(path, w.spec.Account.UID)
	if errors.Is(err, os.ErrNotExist) { // somebody has cleaned up
		if err = runtime.Make(); err == nil {
			n, err = listenNotify(path, w.spec.Account.UID)
		}
	}
	if err == nil {
		w.listenTo(n)
	}
	return err
}

func (w *Worker) listenTo(n *notifySocket) {
	w.notify, w.Belongings.Notify = n, true
	go n.receive(hearing{ready: !w.spec.Process.Ready.Notify}, w.report)
}

// notifyPath is NOTIFY_SOCKET, or "" for a worker that has none.
func (w *Worker) notifyPath() string {
	if w.notify == nil {
		return ""
	}
	return w.notify.path
}

// report waits until it was heard: a worker has one event at a time.
func (w *Worker) report(s Said) {
	heard := make(chan struct{})
	w.spec.Report.Said(s, func() { close(heard) })
	select {
	case <-heard:
	case <-w.life.Done():
	}
}

// listenNotify binds the socket so that only the worker's user may send to it.
func listenNotify(path string, uid int) (*notifySocket, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	n := &notifySocket{conn, path}
	err = errors.Join(os.Chmod(path, 0o600), os.Lchown(path, uid, -1))
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// receive calls report with what h hears, until the socket is closed.
func (n *notifySocket) receive(h hearing, report func(Said)) {
	for {
		_ = n.conn.SetReadDeadline(h.wakes()) // it fails when the socket is closed, as message does
		text, err := n.message()
		now := time.Now()
		switch {
		case err == nil:
			h.hear(text, now)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
		if s, due := h.due(now); due {
			report(s)
		}
		time.Sleep(h.rest(now)) // what comes meanwhile stays in the socket's queue
	}
}

// message holds no buffer while it waits. Descriptors that come along
// (sd_pid_notify_with_fds(3), BARRIER=1) are closed by the kernel, since there is no
// room for them (unix(7), SCM_RIGHTS): that is what the barrier waits for, and a worker
// does not get at the descriptors that launches need.
func (n *notifySocket) message() (text string, err error) {
	raw, err := n.conn.SyscallConn()
	if err != nil {
		return "", err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		var data [4096]byte
		size, _, e := unix.Recvfrom(int(fd), data[:], unix.MSG_DONTWAIT)
		if e == unix.EAGAIN {
			return false
		}
		failed, text = e, string(data[:max(0, size)])
		return true
	})
	return text, errors.Join(err, failed)
}

func (n *notifySocket) close() error {
	return errors.Join(n.conn.Close(), os.Remove(n.path))
}

// inheritNotify goes on with the socket that came through an execve.
func (w *Worker) inheritNotify(fd int) error {
	path := w.launcher.Runtime.Notify(w.spec.File())
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.Join(errors.New("descriptor of "+path+" is no unix socket"), conn.Close())
	}
	w.listenTo(&notifySocket{unixConn, path})
	return nil
}
