package output

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
)

// Stdout begins the path of a Log that is no file: output that is captured to
// "stdout:whois/web" goes to supd's own standard output, line by line, each as
// Options.Prefix says. A line that is longer than 64 KiB, or not ended within a second,
// becomes several. What cannot be written soon is dropped.
//
// A line is written again if supd was killed after writing it and before noting that.
const Stdout = "stdout:"

// Prefix is what lines on standard output begin with.
type Prefix string

// The prefixes.
const (
	NoPrefix   Prefix = ""
	NamePrefix Prefix = "name" // the time and the worker: "2026-01-02T15:04:05.000Z whois/web.1 | "
	JSONPrefix Prefix = "json" // each line is an object: time, app, process, slot, message
)

// lineTimeForm is RFC 3339 with as many digits as one reads.
const lineTimeForm = "2006-01-02T15:04:05.000Z07:00"

func (o *outlets) standard() *outletLog {
	return &outletLog{o.get("standard output", func() outletWriter { return &plainWriter{to: o.stdout} }), lines{}}
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

// lines are those of standard output.
type lines struct{}

func (lines) limits() (int, bool) { return maxLine, false }

func (lines) put(to []byte, l *Log, from *Capture, at time.Time, message []byte) []byte {
	switch l.options.Prefix {
	case NamePrefix:
		to = at.AppendFormat(to, lineTimeForm)
		to = append(to, ' ')
		to = append(to, from.author(l).worker...)
		to = append(to, " | "...)
	case JSONPrefix:
		return from.author(l).json(to, at, message)
	}
	to = append(to, message...)
	return append(to, '\n')
}

// author is whose lines a capture reads.
type author struct {
	worker, app, process string
	slot                 int
	pid                  string
}

// author is found in the fields; a capture of an earlier supd may have none.
func (c *Capture) author(l *Log) *author {
	if c.whose == nil {
		_, name, _ := strings.Cut(l.path, ":")
		o := &author{worker: name}
		o.app, o.process, _ = strings.Cut(name, "/")
		for field := range strings.Lines(c.fields) {
			name, value, _ := strings.Cut(strings.TrimSuffix(field, "\n"), "=")
			switch name {
			case "SUPD_WORKER":
				o.worker = value
			case "SUPD_APP":
				o.app = value
			case "SUPD_PROCESS":
				o.process = value
			case "SUPD_SLOT":
				o.slot, _ = strconv.Atoi(value) // supd has written it
			case "SUPD_PID":
				o.pid = value
			}
		}
		c.whose = o
	}
	return c.whose
}

// json appends an object on a line of its own.
func (o *author) json(to []byte, at time.Time, message []byte) []byte {
	b := bytes.NewBuffer(to)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct { // which has nothing that cannot be encoded
		Time    string `json:"time"`
		App     string `json:"app"`
		Process string `json:"process"`
		Slot    int    `json:"slot,omitempty"`
		Message string `json:"message"`
	}{at.Format(time.RFC3339Nano), o.app, o.process, o.slot, string(message)})
	return b.Bytes()
}
