// Package sockettest has what tests leave in sockets.
package sockettest

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// SendLingering sends over c the last descriptor of a connection that takes an hour to
// close: it has SO_LINGER, and something that its other end, which is of the listener l,
// does not read.
func SendLingering(c *net.UnixConn, l *net.TCPListener) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 3600}),
		unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: l.Addr().(*net.TCPAddr).Port}),
		unix.SetNonblock(fd, true))
	if err != nil {
		unix.Close(fd)
		return err
	}
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 1<<16))
	}
	_, _, err = c.WriteMsgUnix([]byte("x"), unix.UnixRights(fd), nil)
	closed := make(chan error, 1)
	go func() { closed <- unix.Close(fd) }()
	select {
	case e := <-closed:
		return errors.Join(err, e)
	case <-time.After(lastTime): // whoever reads has closed it already, and this is the last one
		return err
	}
}

// lastTime is far above what a close takes that is not the last.
const lastTime = 100 * time.Millisecond
