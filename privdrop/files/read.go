package files

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Read reads a whole file without Go's poller, which os.ReadFile would ask first
// whether it takes the file: seven system calls for each of /proc.
func Read(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var text []byte
	var part [1024]byte // on the stack: most files are short, and many are empty
	for {
		n, err := unix.Read(fd, part[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return text, nil
		}
		text = append(text, part[:n]...)
	}
}

// BootID is another one after each boot: pids and start times of before mean
// nothing then.
func BootID() (string, error) {
	text, err := Read("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}
