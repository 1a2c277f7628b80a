package output

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Syslog begins the path of a Log that is no file: output that is captured to
// "syslog:whois/web" goes to the syslog server at Options.Address. Each line is a message
// of RFC 5424 whose APP-NAME is whois/web and whose PROCID is the worker's pid; at the
// socket of syslog(3) it has the form that this writes. A line that is longer than a
// server is sure to take, or not ended within a second, becomes several.
//
// The format is written here: it is one line, and what libraries have for it checks each
// field of each message anew.
const Syslog = "syslog:"

const (
	// syslogLine is how much of a line is one message: most servers take 8 KiB with the
	// header (RFC 5424, 6.1, asks for 2 KiB).
	syslogLine = 8<<10 - 512
	// informational is the severity of what a worker prints, as in the journal.
	informational = 6
	// syslogTime has as many digits as RFC 5424 permits.
	syslogTime = "2006-01-02T15:04:05.000000Z07:00"
	mostName   = 48  // bytes of APP-NAME
	mostHost   = 255 // of HOSTNAME
)

// syslog is what leads to the server at an address such as "udp:127.0.0.1:514",
// "tcp:logs.example.org:514" or "unix:/dev/log".
func (o *outlets) syslog(address string) (*outletLog, error) {
	network, where, _ := strings.Cut(address, ":")
	if network == "unix" {
		network = "unixgram"
	}
	if where == "" || network != "unixgram" && network != "udp" && network != "tcp" {
		return nil, fmt.Errorf("syslog address %q: want one such as udp:127.0.0.1:514, tcp:127.0.0.1:514 or unix:/dev/log", address)
	}
	host, err := os.Hostname()
	if err != nil || printable(host) == "" {
		host = "-" // RFC 5424's for unknown
	}
	begin := func() outletWriter { return &syslogWriter{network: network, address: where} }
	lines := &syslogLines{host: printable(host)[:min(len(host), mostHost)], framed: network == "tcp", local: slices.Contains(ofSyslog3, where)}
	return &outletLog{o.get("syslog at "+address, begin), lines}, nil
}

// ofSyslog3 are the paths of the socket that syslog(3) writes to. Neither systemd's journal
// nor rsyslog as it comes reads RFC 5424 there.
var ofSyslog3 = []string{"/dev/log", "/run/systemd/journal/dev-log"}

// printable has of a text what RFC 5424 permits in a header.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c > '~' {
			return -1
		}
		return c
	}, text)
}

// syslogLines are messages.
type syslogLines struct {
	host   string
	framed bool // each begins with its length (RFC 6587, 3.4.1)
	local  bool // as syslog(3) writes them
}

func (*syslogLines) limits() (int, bool) { return syslogLine, true }

func (s *syslogLines) put(to []byte, l *Log, from *Capture, at time.Time, message []byte) []byte {
	var room [512]byte
	author := from.author(l)
	name := author.app + "/" + author.process
	head := append(room[:0], '<')
	head = strconv.AppendInt(head, int64(l.options.Facility<<3|informational), 10)
	name, pid := name[:min(len(name), mostName)], cmp.Or(author.pid, "-")
	if s.local {
		head = at.AppendFormat(append(head, '>'), time.Stamp+" ")
		head = append(append(append(append(append(head, name...), '['), pid...), ']', ':'), ' ')
		return append(append(to, head...), message...)
	}
	head = append(head, ">1 "...)
	head = at.AppendFormat(head, syslogTime)
	for _, field := range []string{s.host, name, pid, "-", "-"} {
		head = append(append(head, ' '), field...)
	}
	head = append(head, ' ')
	if s.framed {
		to = append(strconv.AppendInt(to, int64(len(head)+len(message)), 10), ' ')
	}
	return append(append(to, head...), message...)
}

const (
	syslogDial  = 5 * time.Second // what a connection may take, and one write
	syslogFirst = 100 * time.Millisecond
	syslogMost  = 10 * time.Second // from one try to connect to the next
)

// syslogWriter sends messages to a server, and connects again where it has to.
type syslogWriter struct {
	network, address string
	conn             net.Conn // nil: connect
	pause            time.Duration
}

func (w *syslogWriter) write(all []portion) (int, error) {
	for sent := 0; sent < len(all); {
		n, err := w.send(all[sent:])
		sent += n
		if err == nil {
			w.pause = 0
			continue
		}
		if w.isLost(err) {
			return sent, err
		}
		w.close()
		w.pause = min(max(2*w.pause, syslogFirst), syslogMost)
		return sent, &laterError{err, w.pause}
	}
	return len(all), nil
}

// isLost reports whether a message that was not sent never will be: it is too long, or
// the answer to a datagram before it that nobody listens there.
func (w *syslogWriter) isLost(err error) bool {
	return errors.Is(err, unix.EMSGSIZE) || w.network == "udp" && errors.Is(err, unix.ECONNREFUSED)
}

// send sends some of the messages.
func (w *syslogWriter) send(all []portion) (int, error) {
	if w.conn != nil && w.network == "tcp" && hasEnded(w.conn) {
		w.close()
	}
	if w.conn == nil {
		conn, err := net.DialTimeout(w.network, w.address, syslogDial)
		if err != nil {
			return 0, err
		}
		w.conn = conn
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(syslogDial)); err != nil {
		return 0, err
	}
	if w.network != "tcp" {
		if _, err := w.conn.Write(all[0].text); err != nil {
			return 0, err
		}
		return 1, nil
	}
	texts := make(net.Buffers, len(all))
	for i, p := range all {
		texts[i] = p.text
	}
	n, err := texts.WriteTo(w.conn)
	sent := 0
	for sent < len(all) && n >= int64(len(all[sent].text)) {
		n -= int64(len(all[sent].text))
		sent++
	}
	return sent, err
}

func (w *syslogWriter) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// hasEnded reports whether the server has closed a connection: what is written after that
// is lost without an error.
func hasEnded(conn net.Conn) (ended bool) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ended = err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
		return true
	})
	return ended || err != nil
}
