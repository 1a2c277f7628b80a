package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"supd/supervisor"
)

// systemd is what has started supd, if it wants messages about supd's state
// (sd_notify(3)): systemd with Type=notify, or another program with the same
// protocol. The environment that says so stays as it is, for the supd that replaces
// this one; no worker gets it.
type systemd struct {
	log    *slog.Logger
	socket string // "" is nobody
}

// maxNotifySocket is sun_path (unix(7)); a path may go without the zero byte.
const maxNotifySocket = 108

func startedBy(log *slog.Logger) systemd {
	socket := os.Getenv("NOTIFY_SOCKET")
	if len(socket) > maxNotifySocket {
		log.Warn("NOTIFY_SOCKET is longer than the address of a unix socket can be; nobody is told that supd is ready", "bytes", len(socket), "most", maxNotifySocket)
		socket = ""
	}
	return systemd{log, socket}
}

const (
	// sendTime bounds the wait for a systemd that does not read.
	sendTime = 5 * time.Second
	// stopTime is asked for again and again while workers stop, which may take
	// longer than TimeoutStopSec.
	stopTime = 30 * time.Second
)

// tell sends one message of several lines; fds, if any, go with it.
func (s systemd) tell(fds []int, lines ...string) {
	if s.socket == "" {
		return
	}
	if err := s.send(fds, strings.Join(lines, "\n")); err != nil {
		s.log.Warn("sd_notify", "error", err)
	}
}

// send makes a socket each time: the address may belong to a new systemd by now.
func (s systemd) send(fds []int, message string) error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	wait := unix.NsecToTimeval(sendTime.Nanoseconds())
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	// An abstract address begins with @ in SockaddrUnix too.
	for {
		err = unix.Sendmsg(socket, []byte(message), rights, &unix.SockaddrUnix{Name: s.socket}, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return os.NewSyscallError("sendmsg "+s.socket, err)
		}
	}
}

func (s systemd) ready() { s.tell(nil, daemon.SdNotifyReady) }

// failed says why it will not be ready: start-stop-daemon does not see that it has ended,
// and would wait for its whole timeout.
func (s systemd) failed(err error) {
	errno, is := errors.AsType[unix.Errno](err)
	if !is {
		errno = unix.EINVAL
	}
	s.tell(nil, fmt.Sprintf("ERRNO=%d", int(errno)))
}

// reloading has to be followed by ready. Type=notify-reload needs the time.
func (s systemd) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic("clock_gettime: " + err.Error()) // cannot fail with this clock
	}
	s.tell(nil, daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
}

// attend reports on supd until ctx ends: what runs, and that the owner's loop
// turns.
func (s systemd) attend(ctx context.Context, supd *supervisor.Supervisor) {
	if s.socket == "" {
		return
	}
	go s.report(ctx, supd)
	interval, err := watchdogInterval()
	if err != nil {
		s.log.Warn("watchdog", "error", err)
	}
	if interval > 0 {
		go s.feedWatchdog(ctx, supd, interval/2)
	}
}

// shortestWatchdog is what supd can be held to: to send more often would keep it busy
// with nothing else.
const shortestWatchdog = 20 * time.Millisecond

// watchdogInterval is how long systemd waits for the next WATCHDOG=1; 0: it does not.
func watchdogInterval() (time.Duration, error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return 0, err
	}
	// A duration counts in nanoseconds, and a number that is too large for it becomes any
	// other one there.
	usec := os.Getenv("WATCHDOG_USEC")
	switch n, err := strconv.ParseInt(usec, 10, 64); {
	case err != nil || n > int64(math.MaxInt64/time.Microsecond):
		return 0, fmt.Errorf("WATCHDOG_USEC=%s is longer than any time; nobody is told that supd lives", usec)
	case interval < shortestWatchdog:
		return 0, fmt.Errorf("WATCHDOG_USEC=%s is shorter than %s; nobody is told that supd lives, set a longer WatchdogSec", usec, shortestWatchdog)
	}
	return interval, nil
}

// feedWatchdog says that supd lives, each time after the owner's loop has turned:
// systemd kills a supd whose loop is stuck.
func (s systemd) feedWatchdog(ctx context.Context, supd *supervisor.Supervisor, every time.Duration) {
	each(ctx, every, func() {
		if supd.Ping(ctx) == nil {
			s.tell(nil, daemon.SdNotifyWatchdog)
		}
	})
}

// stopping asks for more time while the owner's loop turns, until ctx ends. The
// workers' own stop times bound that.
func (s systemd) stopping(ctx context.Context, supd *supervisor.Supervisor) {
	if s.socket == "" {
		return
	}
	s.tell(nil, daemon.SdNotifyStopping)
	go each(ctx, stopTime/3, func() {
		if supd.Ping(ctx) == nil {
			s.tell(nil, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", stopTime.Microseconds()))
		}
	})
}

// each calls do at once and then at every interval, until ctx ends.
func each(ctx context.Context, every time.Duration, do func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}
