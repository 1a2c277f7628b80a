package output

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Prefix is what lines in a file or on standard output begin with.
type Prefix string

// The prefixes. With some the stream is told where the fields of a capture have it as
// StreamField.
const (
	NoPrefix         Prefix = ""
	NamePrefix       Prefix = "name"        // the time and the worker: "2026-01-02T15:04:05.000Z whois/web.1 | "
	StreamPrefix     Prefix = "stream"      // and the stream: "2026-01-02T15:04:05.000Z whois/web.1 stderr | "
	JSONPrefix       Prefix = "json"        // each line is an object: time, app, process, slot, message
	JSONStreamPrefix Prefix = "json-stream" // and stream
)

// StreamField is the name of the field of a capture that says which stream it reads,
// such as "stderr".
const StreamField = "SUPD_STREAM"

// lineTimeForm is RFC 3339 with as many digits as one reads.
const lineTimeForm = "2006-01-02T15:04:05.000Z07:00"

// lines is the format of a file and of standard output.
type lines struct{}

func (lines) limits() (int, bool) { return maxLine, false }

func (lines) put(to []byte, l *Log, from *Capture, at time.Time, message []byte) []byte {
	whose := from.author(l)
	stream := ""
	if p := l.options.Prefix; p == StreamPrefix || p == JSONStreamPrefix {
		stream = whose.stream
	}
	switch l.options.Prefix {
	case JSONPrefix, JSONStreamPrefix:
		return whose.json(to, at, stream, message)
	case NamePrefix, StreamPrefix:
		to = at.AppendFormat(to, lineTimeForm)
		to = append(to, ' ')
		to = append(to, whose.worker...)
		if stream != "" {
			to = append(to, ' ')
			to = append(to, stream...)
		}
		to = append(to, " | "...)
	}
	to = append(to, message...)
	return append(to, '\n')
}

// writePrefixed writes lines of a worker to the file, each with its prefix, a portion at a
// time: a worker that writes empty lines makes each byte a hundred. A line that was not
// ended in time, or is too long, becomes several. If supd is killed in the middle, the
// portion is written again.
func (l *Log) writePrefixed(from *Capture, p []byte) {
	l.broken = l.broken || l.midline
	at, text, taken := time.Now(), []byte(nil), 0
	for len(p) > 0 {
		n := messageIn(p, maxLine)
		if message, is := from.message(p[:n]); is {
			text = lines{}.put(text, l, from, at, message)
		}
		p, taken = p[n:], taken+n
		if len(text) >= outletPortion || len(p) == 0 {
			l.writePortion(text, taken)
			from.in.wrote(taken, l.size, false)
			text, taken = text[:0], 0
		}
	}
}

// writePortion writes text, which is so many bytes of a worker's. They are counted as
// dropped where not all of it could be written.
func (l *Log) writePortion(text []byte, output int) {
	written, dropped := l.Stats()
	l.writeFile(nil, text)
	now, lost := l.Stats()
	if lost > dropped {
		l.written.Add(written - now)
		l.dropped.Add(dropped - lost + int64(output))
	} else {
		l.written.Add(written - now + int64(output))
	}
}

// author is whose lines a capture reads.
type author struct {
	worker, app, process string
	slot                 int
	pid, stream          string
}

// unknown is an author of whom no supd has written down who it is.
const unknown = "unknown"

// author is found in the fields; a capture of an earlier supd may have none.
func (c *Capture) author(l *Log) *author {
	if c.whose == nil {
		name := unknown
		if !l.isFile() {
			_, name, _ = strings.Cut(l.path, ":")
		}
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
			case StreamField:
				o.stream = value
			}
		}
		c.whose = o
	}
	return c.whose
}

// json appends an object on a line of its own.
func (o *author) json(to []byte, at time.Time, stream string, message []byte) []byte {
	b := bytes.NewBuffer(to)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct { // which has nothing that cannot be encoded
		Time    string `json:"time"`
		App     string `json:"app"`
		Process string `json:"process"`
		Slot    int    `json:"slot,omitempty"`
		Stream  string `json:"stream,omitempty"`
		Message string `json:"message"`
	}{at.Format(time.RFC3339Nano), o.app, o.process, o.slot, stream, string(message)})
	return b.Bytes()
}
