package control

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
)

// Open listens on the control socket. The socket that a dead supd left is replaced;
// one that answers is an error, since a second supd must not start. From the first
// instant the path has the group and mode that c says.
func Open(c configs.Control) (net.Listener, error) {
	spec, err := c.Resolve()
	if err != nil {
		return nil, fmt.Errorf("control socket: unix:%s: %w", c.Socket, err)
	}
	s, err := socket.Open(spec)
	for end := time.Now().Add(deathTime); err != nil && isDying(c.Socket) && time.Now().Before(end); {
		time.Sleep(deathInterval)
		s, err = socket.Open(spec)
	}
	if err != nil {
		if answers(c.Socket) {
			return nil, fmt.Errorf("supd is already running: a process is listening on %s", c.Socket)
		}
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := s.Listener()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), s.Close())
	}
	return l, nil
}

// A supd that was killed keeps its descriptors open for some milliseconds after its
// process is seen to be gone, while its threads end. Open waits for that.
const (
	deathTime     = 5 * time.Second
	deathInterval = 5 * time.Millisecond
)

// isDying reports whether the process that listens on path has ended or is ending.
func isDying(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return errors.Is(err, unix.ECONNREFUSED) // it has ended by now
	}
	defer c.Close()
	pid := peerOf(c).pid
	if pid == 0 {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := bytes.Cut(stat, []byte(") ")) // proc(5): pid (comm) state …
	return errors.Is(err, fs.ErrNotExist) || bytes.HasPrefix(state, []byte("Z")) || bytes.HasPrefix(state, []byte("X"))
}

func answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
