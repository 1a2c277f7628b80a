// Package sockettest has what tests leave in sockets.
package sockettest

import (
	"errors"
	"net"

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
	return errors.Join(err, unix.Close(fd))
}
