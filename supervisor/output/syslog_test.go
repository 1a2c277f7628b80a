package output

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/leodido/go-syslog/v4/rfc5424"
)

// syslogd is a server that hands on what it gets.
type syslogd struct {
	address string
	got     chan string
	end     func()
}

// startSyslogd listens at an address such as "udp:127.0.0.1:0".
func startSyslogd(t *testing.T, address string) *syslogd {
	t.Helper()
	network, where, _ := strings.Cut(address, ":")
	s := &syslogd{got: make(chan string, 100_000)}
	if network == "tcp" {
		l, err := net.Listen("tcp", where)
		must(t, err)
		s.address = "tcp:" + l.Addr().String()
		go s.accept(l)
		var conns []net.Conn
		s.end = func() {
			l.Close()
			for _, c := range conns {
				c.Close()
			}
		}
	} else {
		if network == "unix" {
			network = "unixgram"
		}
		c, err := net.ListenPacket(network, where)
		must(t, err)
		s.address = address
		if network == "udp" {
			s.address = "udp:" + c.LocalAddr().String()
		}
		go s.receive(c)
		s.end = func() { c.Close() }
	}
	t.Cleanup(func() { s.end() })
	return s
}

func (s *syslogd) receive(c net.PacketConn) {
	b := make([]byte, 1<<17)
	for {
		n, _, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		s.got <- string(b[:n])
	}
}

// accept takes one connection after the other.
func (s *syslogd) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		r := bufio.NewReader(c)
		for {
			length, err := r.ReadString(' ')
			n, bad := strconv.Atoi(strings.TrimSpace(length))
			if err != nil || bad != nil {
				break
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				break
			}
			if string(b[len(b)-4:]) == " bye" { // a server that is restarted
				c.Close()
				break
			}
			s.got <- string(b)
		}
		c.Close()
	}
}

// message is what comes next, as another program reads it.
func (s *syslogd) message(t *testing.T) *rfc5424.SyslogMessage {
	t.Helper()
	select {
	case text := <-s.got:
		m, err := rfc5424.NewParser().Parse([]byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return m.(*rfc5424.SyslogMessage)
	case <-time.After(patience):
		t.Fatal("no message comes")
		return nil
	}
}

// syslogLog gives a log of a set that is patient, and what that says.
func syslogLog(t *testing.T, address string) (*Files, *Log, *safeBuffer) {
	t.Helper()
	said := new(safeBuffer)
	set := NewFiles(slog.New(slog.NewTextHandler(said, nil)))
	set.outlets.patience = patience
	l, err := set.Open(Syslog+"whois/web", Options{Address: address, Facility: 16})
	must(t, err)
	t.Cleanup(func() { set.Close() })
	return set, l, said
}

func syslogCapture(t *testing.T, l *Log) (*Capture, *os.File) {
	t.Helper()
	r, w, err := Pipe(-1, -1)
	must(t, err)
	return l.CaptureAs("", r, nil, webFields(2)...), w
}

// TestSyslog: each line is a message that others can read, whatever it has in it.
func TestSyslog(t *testing.T) {
	for _, address := range []string{"udp:127.0.0.1:0", "tcp:127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "log")} {
		t.Run(address[:4], func(t *testing.T) {
			s := startSyslogd(t, address)
			_, l, said := syslogLog(t, s.address)
			c, w := syslogCapture(t, l)
			long := strings.Repeat("é", syslogLine/2) // and one more
			before := time.Now().Add(-time.Second)
			w.WriteString("text\r\n\n<13>1 - - - \x1b\xff [x]\n" + long + "é\n")
			for _, want := range []string{"text", "", "<13>1 - - - \x1b\xff [x]", long, "é"} {
				m := s.message(t)
				got := ""
				if m.Message != nil {
					got = *m.Message
				}
				if got != want {
					t.Errorf("%.60q, want %.60q", got, want)
				}
				host, _ := os.Hostname()
				head := fmt.Sprint(*m.Facility, *m.Severity, m.Version, " ", *m.Hostname, " ", *m.Appname, " ", *m.ProcID)
				if wanted := "16 6 1 " + host + " whois/web 4711"; head != wanted || m.Timestamp.Before(before) || m.MsgID != nil || m.StructuredData != nil {
					t.Errorf("head %q, want %q, of %v", head, wanted, m.Timestamp)
				}
			}
			w.Close()
			wait(t, c)
			eventually(t, "all is counted", func() bool { written, dropped := l.Stats(); return written > int64(len(long)) && dropped == 0 })
			if said.String() != "" {
				t.Errorf("said %s", said)
			}
		})
	}
}

// TestSyslogComesBack: while a server is away lines wait, and it is connected to again.
func TestSyslogComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	set, l, said := syslogLog(t, "unix:"+path)
	set.outlets.all["syslog at unix:"+path].patience = time.Millisecond
	_, w := syslogCapture(t, l)
	defer w.Close()
	w.WriteString("one\n")
	eventually(t, "it is said", func() bool { return strings.Contains(said.String(), "cannot be written") })
	w.WriteString("two\nthree\n")
	for _, words := range []string{"one two three", "four"} {
		s := startSyslogd(t, "unix:"+path)
		if words == "four" {
			w.WriteString("four\n")
		}
		for word := range strings.FieldsSeq(words) {
			if got := *s.message(t).Message; got != word {
				t.Errorf("%q, want %q", got, word)
			}
		}
		s.end()
		_ = os.Remove(path)
	}
	eventually(t, "it is over", func() bool { return strings.Contains(said.String(), "written again") })
	if _, dropped := l.Stats(); dropped != 0 {
		t.Errorf("%d bytes dropped", dropped)
	}
}

// TestSyslogIsRestarted: a server that has closed the connection gets what comes then on
// a new one.
func TestSyslogIsRestarted(t *testing.T) {
	s := startSyslogd(t, "tcp:127.0.0.1:0")
	set, l, _ := syslogLog(t, s.address)
	_, w := syslogCapture(t, l)
	defer w.Close()
	writer := set.outlets.all["syslog at "+s.address].writer.(*syslogWriter)
	for i := range 5 {
		text := fmt.Sprint("line ", i)
		w.WriteString(text + "\n")
		if got := *s.message(t).Message; got != text {
			t.Fatalf("%q, want %q", got, text)
		}
		w.WriteString("say bye\n")
		eventually(t, "the connection is closed", func() bool {
			o := set.outlets.all["syslog at "+s.address]
			o.mu.Lock()
			defer o.mu.Unlock()
			return !o.runs && (writer.conn == nil || hasEnded(writer.conn))
		})
	}
}

// TestNobodyTakesSyslog: the workers do not wait for a server that is away, or takes
// nothing. What is dropped is counted, and said once.
func TestNobodyTakesSyslog(t *testing.T) {
	listening, err := net.Listen("tcp", "127.0.0.1:0") // and it accepts nothing
	must(t, err)
	defer listening.Close()
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	gone.Close()
	for _, address := range []string{"tcp:" + listening.Addr().String(), "udp:" + gone.LocalAddr().String(), "unix:/nonexistent/log", "tcp:nosuch.invalid:514"} {
		t.Run(address, func(t *testing.T) {
			set, l, said := syslogLog(t, address)
			set.outlets.all["syslog at "+address].patience = outletPatience
			const size = 40 * 4096 * 100
			c, w := start(t, l, nil)
			writeLines(w, size, 4096)
			w.Close()
			wait(t, c)
			set.Flush()
			eventually(t, "all is counted", func() bool { written, dropped := l.Stats(); return written+dropped == size })
			if _, dropped := l.Stats(); dropped == 0 {
				t.Error("nothing is dropped")
			}
			if n := strings.Count(said.String(), "cannot be written"); n == 0 || n > 1 && !strings.HasPrefix(address, "udp:") {
				t.Errorf("said %d times:\n%.1000s", n, said)
			}
		})
	}
}

// TestSyslogMoves: a change of address or facility reaches workers that run.
func TestSyslogMoves(t *testing.T) {
	one, two := startSyslogd(t, "udp:127.0.0.1:0"), startSyslogd(t, "tcp:127.0.0.1:0")
	set, l, _ := syslogLog(t, one.address)
	c, w := syslogCapture(t, l)
	w.WriteString("one\n")
	if m := one.message(t); *m.Message != "one" {
		t.Errorf("%q", *m.Message)
	}
	set.Change(l, Options{Address: two.address, Facility: 3})
	w.WriteString("two\n")
	if m := two.message(t); *m.Message != "two" || *m.Facility != 3 {
		t.Errorf("%q of %d", *m.Message, *m.Facility)
	}
	set.Rest() // nobody uses the first any more
	if conn := set.outlets.all["syslog at "+one.address].writer.(*syslogWriter).conn; conn != nil {
		t.Error("the old connection is open")
	}
	w.Close()
	wait(t, c)
	for _, wrong := range []string{"", "udp", "udp:", "http:127.0.0.1:514"} {
		if _, err := set.Open(Syslog+"other/"+wrong, Options{Address: wrong}); err == nil {
			t.Errorf("%q is opened", wrong)
		}
	}
}

// TestSyslogHead: names that are too long, or have what no header may have.
func TestSyslogHead(t *testing.T) {
	long := strings.Repeat("n", 100)
	l := &Log{path: Syslog + long + "/web", options: Options{Facility: 23}}
	at := time.Date(2026, 1, 2, 15, 4, 5, 6000, time.UTC)
	got := (&syslogLines{host: "-"}).put(nil, l, &Capture{}, at, []byte("text"))
	if want := "<190>1 2026-01-02T15:04:05.000006Z - " + long[:mostName] + " - - - text"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	framed := (&syslogLines{host: "-", framed: true}).put(nil, l, &Capture{}, at, []byte("text"))
	if want := fmt.Sprint(len(got), " ", string(got)); string(framed) != want {
		t.Errorf("%q, want %q", framed, want)
	}
	local := (&syslogLines{host: "-", local: true}).put(nil, &Log{path: Syslog + "whois/web"}, &Capture{fields: "SUPD_PID=4711\n"}, at, []byte("text"))
	if want := "<6>Jan  2 15:04:05 whois/web[4711]: text"; string(local) != want {
		t.Errorf("%q, want %q", local, want)
	}
	for address, want := range map[string]bool{"unix:/dev/log": true, "unix:/srv/log": false, "udp:[::1]:514": false} {
		o, err := newOutlets(nil).syslog(address)
		must(t, err)
		if o.format.(*syslogLines).local != want {
			t.Errorf("%s: %v", address, !want)
		}
	}
	if got := printable("wéb\n 1"); got != "wb1" {
		t.Errorf("%q", got)
	}
}

// TestSyslogWrites: of a batch that is written in part, the messages that are whole count.
func TestSyslogWrites(t *testing.T) {
	s := startSyslogd(t, "tcp:127.0.0.1:0")
	_, where, _ := strings.Cut(s.address, ":")
	w := &syslogWriter{network: "tcp", address: where}
	defer w.close()
	var all []portion
	var want []string
	for i := range 3000 { // more than writev(2) takes at once
		text := fmt.Sprintf("<14>1 - - - - - - %d", i)
		want = append(want, text)
		all = append(all, portion{text: fmt.Appendf(nil, "%d %s", len(text), text)})
	}
	if n, err := w.write(all); n != len(all) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	var got []string
	for range want {
		got = append(got, <-s.got)
	}
	if !cmp.Equal(got, want) {
		t.Error("not what was sent")
	}
	if bytes.Contains([]byte(want[0]), newline) {
		t.Error("a message has a newline")
	}
}
