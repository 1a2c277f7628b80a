package output

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// journalSocket is where journald takes entries
	// (systemd.io/JOURNAL_NATIVE_PROTOCOL).
	journalSocket = "/run/systemd/journal/socket"
	// A journal that takes nothing is waited for once; then it is tried now and
	// then: the workers must not wait for ever.
	journalPatience = time.Second
	journalAgain    = time.Second // from one try to the next
	journalGlance   = 10 * time.Millisecond
	// journalBuffer holds the longest entry, which has to go out in one piece.
	journalBuffer = 4 * maxLine
)

func openJournal(socket string) (*journal, error) {
	j := &journal{socket: socket}
	if err := j.connect(); err != nil {
		return nil, fmt.Errorf(`no journal on this machine: %w; start systemd-journald, or say log.to = "file"`, err)
	}
	return j, nil
}

func (j *journal) connect() error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	_ = conn.SetWriteBuffer(journalBuffer) // if the kernel refuses, its default is most likely enough
	j.conn = conn
	return nil
}

// rest closes the connection: what was sent has arrived.
func (j *journal) rest() {
	_ = j.close()
	j.conn = nil
}

func (j *journal) close() error {
	if j.conn == nil {
		return nil
	}
	return j.conn.Close()
}

var errJournalWaits = errors.New("the journal takes nothing")

// send sends an entry. If it fails, the entry is lost.
func (j *journal) send(entry []byte, patience time.Duration) error {
	if time.Now().Before(j.next) {
		return errJournalWaits
	}
	err := j.try(entry, patience)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		err = j.try(entry, patience) // journald may have been restarted, with a new socket
	}
	j.next = time.Time{}
	if err != nil {
		j.next = time.Now().Add(journalAgain)
	}
	return err
}

func (j *journal) try(entry []byte, patience time.Duration) error {
	if j.conn == nil {
		if err := j.connect(); err != nil {
			return err
		}
	}
	_ = j.conn.SetWriteDeadline(time.Now().Add(patience)) // it fails only if conn is closed, and then so does Write
	_, err := j.conn.Write(entry)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = j.conn.Close()
		j.conn = nil
	}
	return err
}

// write sends each line as an entry.
func (j *journal) write(l *Log, from *Capture, p []byte) {
	for len(p) > 0 {
		n := messageIn(p, maxLine)
		if message, is := from.message(p[:n]); is {
			j.writeOne(l, from, message, n)
		}
		from.in.wrote(n, 0, false)
		p = p[n:]
	}
}

// messageIn is how much of p is one message, which has no more than most bytes.
func messageIn(p []byte, most int) int {
	n := min(len(p), most)
	if end := bytes.IndexByte(p[:n], '\n'); end >= 0 {
		return end + 1
	}
	if n == len(p) {
		return n
	}
	return wholeCharacters(p[:n])
}

// wholeCharacters is how much of p has no part of a character at its end. p is longer than
// one.
func wholeCharacters(p []byte) int {
	n := len(p)
	for i := 1; i < utf8.UTFMax; i++ {
		if utf8.RuneStart(p[n-i]) {
			if !utf8.FullRune(p[n-i:]) {
				n -= i
			}
			break
		}
	}
	return n
}

// message is p without the end of a line. It is none where that end alone was missing.
func (c *Capture) message(p []byte) (message []byte, is bool) {
	message, ended := bytes.CutSuffix(p, newline)
	rest := c.unended // p goes on with a line whose beginning is a message already
	c.unended = !ended
	return bytes.TrimSuffix(message, []byte("\r")), !rest || len(message) > 0
}

func (j *journal) writeOne(l *Log, from *Capture, message []byte, n int) {
	if l.closed {
		l.counts(0, n)
		return
	}
	patience := journalPatience
	if l.failing {
		patience = journalGlance
	}
	err := j.send(j.entryOf(l, from, message), patience)
	if err != nil {
		l.counts(0, n)
	} else {
		l.counts(n, 0)
	}
	l.say(err)
}

// entryOf encodes an entry. It is valid until the next call.
func (j *journal) entryOf(l *Log, from *Capture, message []byte) []byte {
	e := append(j.entry[:0], "PRIORITY=6\n"...) // info, which systemd gives to what it captures itself
	e = appendField(e, Field{"SYSLOG_IDENTIFIER", strings.TrimPrefix(l.path, Journal)})
	e = append(e, from.fields...)
	e = append(e, "MESSAGE="...)
	e = append(e, message...)
	e = append(e, '\n')
	j.entry = e
	return e
}

// address says in an intake where its content goes: the path of the log, and unless that
// is a file without prefixes the worker's fields, on lines of their own.
func (c *Capture) address() string {
	if c.log.isPlain() {
		return c.log.path
	}
	return c.log.path + "\n" + c.fields
}
