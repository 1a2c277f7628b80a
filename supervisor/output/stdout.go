package output

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"supd/privdrop/prose"
)

// Stdout begins the path of a Log that is no file: output that is captured to
// "stdout:whois/web" goes to supd's own standard output, line by line, each as
// Options.Prefix says. A line that is longer than 64 KiB, or not ended within a second,
// becomes several. What cannot be written soon is dropped.
//
// A line is written again if supd was killed after writing it and before noting that.
const Stdout = "stdout:"

func (o *outlets) standard() *outletLog {
	return &outletLog{o.get("standard output", func() outletWriter { return &plainWriter{to: o.stdout} }), lines{}}
}

// shown is where the lines of workers go that are for a file. One that is a terminal gets what
// is printable, and nothing that it would obey; whatever else it is, such as the pipe of a
// container's log collector, gets them as they are.
func shown(f *os.File) io.Writer {
	conn, err := f.SyscallConn() // Fd would make it a file that waits
	if err != nil {
		return f
	}
	var refused error
	err = conn.Control(func(fd uintptr) { _, refused = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	if err != nil || refused != nil {
		return f
	}
	return prose.Writer{To: f}
}

// plainWriter writes lines.
type plainWriter struct {
	to     io.Writer
	broken bool // the last one was written in part
}

func (w *plainWriter) write(all []portion) (int, error) {
	for i, p := range all {
		if err := w.writeLines(p.text); err != nil {
			return i, err
		}
	}
	return len(all), nil
}

// whole is how much is written to a pipe at once (PIPE_BUF of pipe(7)): nothing of
// another writer comes in between, as of supd's own log, and none of it is written where
// supd is killed before.
const whole = 4096

// writeLines writes as many whole lines at a time as fit.
func (w *plainWriter) writeLines(text []byte) error {
	if w.broken {
		if _, err := w.to.Write(newline); err != nil {
			return err
		}
		w.broken = false
	}
	for len(text) > 0 {
		n := len(text)
		if n > whole {
			n = bytes.LastIndexByte(text[:whole], '\n') + 1
		}
		if n == 0 {
			n = bytes.IndexByte(text, '\n') + 1
		}
		wrote, err := w.to.Write(text[:n])
		if err != nil {
			w.broken = wrote > 0 && text[wrote-1] != '\n'
			return err
		}
		text = text[n:]
	}
	return nil
}

func (w *plainWriter) close() {} // it is not supd's to close
