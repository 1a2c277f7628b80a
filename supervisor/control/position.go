package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"supd/supervisor/output"
)

// position is a place in a log: a byte of the file with that id, or of those that came
// after it, counted from its beginning.
type position struct {
	id     uint64
	offset int64
}

// positionHeader says where what is sent of a log begins, so that who has lost the
// connection can go on behind what has come.
const positionHeader = "Supd-Log-Position"

func (p position) String() string { return fmt.Sprintf("%d:%d", p.id, p.offset) }

func parsePosition(text string) (p position, ok bool) {
	id, offset, _ := strings.Cut(text, ":")
	var bad, worse error
	p.id, bad = strconv.ParseUint(id, 10, 64)
	p.offset, worse = strconv.ParseInt(offset, 10, 64)
	return p, bad == nil && worse == nil && p.offset >= 0
}

// begin is the position of the first byte that is written. While there is no file it is
// the zero one.
func (l *logFile) begin() (position, error) {
	if n := len(l.before); n > 0 {
		return position{l.before[n-1].info.id, l.before[n-1].begin}, nil
	}
	if l.file == nil {
		return position{}, nil
	}
	at, err := l.file.Seek(0, io.SeekCurrent)
	return position{output.Identity(l.file), at}, err
}

// resume opens the log where a reader was, who may not have seen rotations since. Of a
// file that is gone, or was truncated, it goes on with all that there is after it.
func (l *logFile) resume(from position) error {
	f, info, err := l.openLog(0)
	if err != nil {
		return err
	}
	l.file, l.size = f, info.Size()
	newest := logPart{info: info}
	parts := []logPart{newest} // the newest first
	for n := 1; parts[len(parts)-1].info.id != from.id && n <= mostRotated; n++ {
		part, err := l.lookAt(n, parts[len(parts)-1].info)
		if err != nil {
			return err
		}
		if part.info == nil && from.id != 0 { // it is gone
			parts, from.offset = parts[:1], 0
		}
		if part.info == nil {
			break
		}
		parts = append(parts, part)
	}
	for len(parts) > 1 && from.offset >= parts[len(parts)-1].info.Size() {
		from.offset -= parts[len(parts)-1].info.Size()
		parts = parts[:len(parts)-1]
	}
	if from.offset > parts[len(parts)-1].info.Size() {
		from.offset = 0
	}
	parts[len(parts)-1].begin = from.offset
	l.before = parts[1:]
	_, err = f.Seek(parts[0].begin, io.SeekStart)
	return err
}

// LogStream is what is sent of a log.
type LogStream struct {
	body  io.ReadCloser
	lost  func(error) error
	at    position // of the next byte
	known bool
}

func (c *Client) logStream(ctx context.Context, body io.ReadCloser, header http.Header) *LogStream {
	at, known := parsePosition(header.Get(positionHeader))
	return &LogStream{body, func(err error) error { return c.lost(ctx, err) }, at, known}
}

// Read ends with io.EOF, an *Error or the cause of the context's end.
func (s *LogStream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.at.offset += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.lost(err)
	}
	return n, err
}

// Close lets go of the connection.
func (s *LogStream) Close() error { return s.body.Close() }

// Position is where the next byte would come from, for LogQuery.From; "" is not known.
func (s *LogStream) Position() string {
	if !s.known {
		return ""
	}
	return s.at.String()
}
