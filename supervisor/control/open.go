package control

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
)

// Open listens on the control socket. The socket that a dead supd left is replaced;
// one that answers is an error, since a second supd must not start. From the first
// instant the path has the group and mode that c says. Whoever removes it gets it back,
// which the log tells.
func Open(c configs.Control, log *slog.Logger) (net.Listener, error) {
	spec, err := c.Resolve()
	if err != nil {
		return nil, fmt.Errorf("control socket: unix:%s: %w", c.Socket, err)
	}
	mended := func(err error) {
		if err != nil {
			log.Error("the control socket was removed and cannot be put back, trying again", "error", err)
			return
		}
		log.Warn("the control socket was removed, and is back", "path", c.Socket)
	}
	l, err := socket.Last(spec, mended)
	for end := time.Now().Add(deathTime); err != nil && isDying(c.Socket) && time.Now().Before(end); {
		time.Sleep(deathInterval)
		l, err = socket.Last(spec, mended)
	}
	if err != nil {
		if answers(c.Socket) {
			return nil, fmt.Errorf("supd is already running: a process is listening on %s", c.Socket)
		}
		return nil, fmt.Errorf("control socket: %w", err)
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
