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

func (l *Log) isFile() bool { return l.journal == nil }

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

// send sends the lines of p, which is what from holds first, and drops what cannot
// be sent.
func (l *Log) send(from *Capture, p []byte) {
	for len(p) > 0 {
		n := messageIn(p)
		l.sendOne(from, p[:n])
		from.in.wrote(n, 0, false)
		p = p[n:]
	}
}

// messageIn is how much of p is one entry.
func messageIn(p []byte) int {
	n := min(len(p), maxLine)
	if end := bytes.IndexByte(p[:n], '\n'); end >= 0 {
		return end + 1
	}
	if n == len(p) {
		return n
	}
	for i := 1; i < utf8.UTFMax; i++ { // no character is cut in two
		if utf8.RuneStart(p[n-i]) {
			if !utf8.FullRune(p[n-i : n]) {
				n -= i
			}
			break
		}
	}
	return n
}

func (l *Log) sendOne(from *Capture, p []byte) {
	message, ended := bytes.CutSuffix(p, newline)
	rest := from.unended // p goes on with a line whose beginning is an entry already
	from.unended = !ended
	if rest && len(message) == 0 {
		return
	}
	if l.closed {
		l.counts(0, len(p))
		return
	}
	patience := journalPatience
	if l.failing {
		patience = journalGlance
	}
	err := l.journal.send(l.entry(from, bytes.TrimSuffix(message, []byte("\r"))), patience)
	if err != nil {
		l.counts(0, len(p))
	} else {
		l.counts(len(p), 0)
	}
	l.say(err)
}

// entry encodes an entry. It is valid until the next call.
func (l *Log) entry(from *Capture, message []byte) []byte {
	e := append(l.journal.entry[:0], "PRIORITY=6\n"...) // info, which systemd gives to what it captures itself
	e = appendField(e, Field{"SYSLOG_IDENTIFIER", strings.TrimPrefix(l.path, Journal)})
	e = append(e, from.fields...)
	e = append(e, "MESSAGE="...)
	e = append(e, message...)
	e = append(e, '\n')
	l.journal.entry = e
	return e
}

// address says in an intake where its content goes: the path of the log, and for
// the journal the worker's fields, on lines of their own.
func (c *Capture) address() string {
	if c.log.journal == nil {
		return c.log.path
	}
	return c.log.path + "\n" + c.fields
}
