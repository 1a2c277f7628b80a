package statsd

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/configs"
)

func all(Origin) bool { return true }

func newReader(t *testing.T, forwardTo string) *Reader {
	t.Helper()
	mapping, err := configs.ReadMapping("")
	if err != nil {
		t.Fatal(err)
	}
	r := New(slog.New(slog.DiscardHandler), mapping, forwardTo, filepath.Join(t.TempDir(), "statsd.json"))
	t.Cleanup(r.Forget)
	return r
}

var web = Origin{App: "shop", Process: "web", Slot: 1, Release: "1.0"}

func source(o Origin) Source {
	return Source{Origin: o, Launch: fmt.Sprintf("%s.%s.%d.1", o.App, o.Process, o.Slot), UID: os.Geteuid()}
}

func open(t *testing.T, r *Reader, s Source) *Port {
	t.Helper()
	p, err := r.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func dial(t *testing.T, p *Port) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// send sends datagrams, which are in the port's socket when it returns.
func send(t *testing.T, conn net.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGunicorn(t *testing.T) {
	r := newReader(t, "")
	p := open(t, r, source(web))
	conn := dial(t, p)
	for range 3 {
		send(t, conn, "gunicorn.request.duration:500.0|ms", "gunicorn.requests:1|c|@1.0", "gunicorn.request.status.204:1|c|@1.0")
	}
	send(t, conn, "my.site.gunicorn.request.status.503:1|c|@1.0|#a:b", "gunicorn.request.status.999:1|c")
	c := r.Counts(all)
	if diff := cmp.Diff([]Requests{{web, [5]int64{0, 3, 0, 0, 1}}}, c.Requests); diff != "" {
		t.Error("requests", diff)
	}
	d := c.Durations[0]
	if d.Sum != 1.5 || d.Buckets[-8] != 3 || d.Slot != 0 || d.Release != "1.0" {
		t.Errorf("durations: %+v", d)
	}
	want := Slot{Origin{App: "shop", Process: "web", Slot: 1}, 11, 0, Refused{BadName: 1}}
	if diff := cmp.Diff([]Slot{want}, c.Slots); diff != "" {
		t.Error("slots", diff)
	}
	if n, failed := p.Requests(); n != 4 || failed != 1 {
		t.Errorf("requests of the launch: %d, %d failed", n, failed)
	}
	if len(c.Series) > 0 {
		t.Errorf("series: %+v", c.Series)
	}
}

// TestStranger has another user send, and somebody who is gone by now.
func TestStranger(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	r := newReader(t, "")
	p := open(t, r, source(web))
	// A socket is its maker's, by the filesystem uid of the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.Setfsuid(65534)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	unix.Setfsuid(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: int(p.Addr().Port()), Addr: loopback}
	for range 5 {
		if err := unix.Sendto(fd, []byte("x:1|c"), 0, to); err != nil {
			t.Fatal(err)
		}
	}
	gone := dial(t, p)
	r.mu.Lock() // so that it is gone before anybody looks
	send(t, gone, "x:1|c")
	gone.Close()
	r.mu.Unlock()
	send(t, dial(t, p), "x:1|c")
	c := r.Counts(all)
	if s := c.Slots[0]; s.Datagrams != 1 || s.Refused[Stranger] != 6 {
		t.Errorf("%+v", s)
	}
	if len(c.Series) != 1 || c.Series[0].Value != 1 {
		t.Errorf("%+v", c.Series)
	}
}

func TestSendersAreRemembered(t *testing.T) {
	asked, owner := 0, 7
	now := time.Now()
	s := newSenders(func(from, to netip.AddrPort) (int, error) { asked++; return owner, nil })
	s.now = func() time.Time { return now }
	from, to := netip.MustParseAddrPort("127.0.0.1:4000"), netip.MustParseAddrPort("127.0.0.1:5000")
	for range 3 {
		if !s.is(7, from, to) || s.is(8, from, to) {
			t.Fatal("wrong owner")
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	owner = 8
	now = now.Add(sendersAge)
	if s.is(7, from, to) || asked != 2 {
		t.Errorf("a port that another one has by now is the old one's (asked %d times)", asked)
	}
	for port := range 3 * sendersMost {
		s.is(7, netip.AddrPortFrom(from.Addr(), uint16(port)), to)
		if len(s.known) > sendersMost {
			t.Fatalf("%d senders are remembered", len(s.known))
		}
	}
}

func TestSendersThatNobodyKnows(t *testing.T) {
	r := newReader(t, "")
	p := open(t, r, source(web))
	var log strings.Builder
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	wrong := fmt.Errorf("sock_diag: %w", unix.EOPNOTSUPP)
	r.mu.Lock()
	r.senders = newSenders(func(from, to netip.AddrPort) (int, error) { return 0, wrong })
	r.mu.Unlock()
	conn := dial(t, p)
	send(t, conn, "x:1|c", "x:1|c")
	if s := r.Counts(all).Slots[0]; s.Refused[Stranger] != 2 {
		t.Errorf("%+v", s)
	}
	wrong = nil
	r.mu.Lock()
	r.senders.since = time.Time{}
	r.mu.Unlock()
	send(t, conn, "x:1|c")
	r.Counts(all)
	if got := log.String(); strings.Count(got, "level=ERROR") != 1 || strings.Count(got, "level=INFO") != 1 {
		t.Errorf("log:\n%s", got)
	}
}

func TestLines(t *testing.T) {
	own := func(name string, kind Kind, value float64, labels ...Label) Series {
		return Series{Origin: Origin{App: "shop", Process: "web", Slot: 1}, Name: name, Kind: kind, Value: value, Labels: labels}
	}
	long := strings.Repeat("n", nameMost+1)
	for _, test := range []struct {
		name, text string
		want       []Series
		refused    Refused
	}{
		{"counter", "a.b-c:2|c\na.b-c:3|c|@0.5\n", []Series{own("statsd_a_b_c_total", Counter, 8)}, Refused{}},
		{"gauge", "g:5|g\r\ng:-2|g\ng:+4|g", []Series{own("statsd_g", Gauge, 7)}, Refused{}},
		{"tags", "a:1|c|#slot:9,le:x,b:y", []Series{own("statsd_a_total", Counter, 1, Label{"b", "y"}, Label{"exported_le", "x"}, Label{"exported_slot", "9"})}, Refused{}},
		{"container", "a:1|c|c:0123|#b:y", []Series{own("statsd_a_total", Counter, 1, Label{"b", "y"})}, Refused{}},
		{"own names", "supd_worker_up:1|g", []Series{own("statsd_supd_worker_up", Gauge, 1)}, Refused{}},
		{"mapped", "shop.response.404:1|c", []Series{own("statsd_django_responses_total", Counter, 1, Label{"code", "4xx"})}, Refused{}},
		{"set", "a:1|s", nil, Refused{Malformed: 1}},
		{"no statsd", "hello", nil, Refused{Malformed: 1}},
		{"one of two", "a:1|c:x|c", []Series{own("statsd_a_total", Counter, 1)}, Refused{Malformed: 1}},
		{"binary", "\x00\xff:1|c", nil, Refused{Malformed: 1}},
		{"rare samples", "t:1|ms|@0.0000001", nil, Refused{Malformed: 1}},
		{"rare sample, later", "t:1|ms|@1:1|ms|@1e-9", nil, Refused{Malformed: 1}},
		{"negative rate", "a:1|c|@-1", nil, Refused{Malformed: 1}},
		{"no number", "a:nan|g\nb:+inf|g", nil, Refused{BadValue: 2}},
		{"back", "a:1|c\na:-1|c", []Series{own("statsd_a_total", Counter, 1)}, Refused{BadValue: 1}},
		{"long name", long + ":1|c", nil, Refused{BadName: 1}},
		{"long label", "a:1|c|#b:" + strings.Repeat("v", valueBytes+1), nil, Refused{BadLabels: 1}},
		{"many labels", "a:1|c|#" + manyTags(), nil, Refused{BadLabels: 1}},
		{"hidden label", "a:1|c|#__name__:b", nil, Refused{BadLabels: 1}},
		{"many values", "t:1" + strings.Repeat(":1", samplesMost) + "|ms|@0.001", nil, Refused{TooLong: 1}},
		{"two rates", "t:1|ms|@0.5:1|ms|@0.1", nil, Refused{Malformed: 1}},
		{"beyond sums", "c:1.7e308|c\nc:1e18|c\ng:-1e300|g", []Series{own("statsd_c_total", Counter, 1e18)}, Refused{BadValue: 2}},
		{"requests beyond belief", "gunicorn.request.status.500:1000000|c", nil, Refused{BadValue: 1}},
		{"own labels of a push", "a:1|c|#instance:a,exported_instance:b", []Series{own("statsd_a_total", Counter, 1, Label{"exported_exported_instance", "a"}, Label{"exported_instance", "b"})}, Refused{}},
		{"much of labels", "a:1|c|#" + longTags(), nil, Refused{BadLabels: 1}},
		{"requests that go back", "gunicorn.request.status.200:-5|c", nil, Refused{BadValue: 1}},
		{"too long", strings.Repeat("a", longest+1), nil, Refused{TooLong: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReader(t, "")
			send(t, dial(t, open(t, r, source(web))), test.text)
			c := r.Counts(all)
			if diff := cmp.Diff(test.want, c.Series); diff != "" {
				t.Error("series", diff)
			}
			if diff := cmp.Diff(test.refused, c.Slots[0].Refused); diff != "" {
				t.Error("refused", diff)
			}
		})
	}
}

func longTags() string {
	var tags []string
	for i := range 6 {
		tags = append(tags, fmt.Sprintf("t%d:%s", i, strings.Repeat("v", valueBytes)))
	}
	return strings.Join(tags, ",")
}

func manyTags() string {
	var tags []string
	for i := range labelsMost + 1 {
		tags = append(tags, fmt.Sprintf("t%d:1", i))
	}
	return strings.Join(tags, ",")
}

func TestTimersAndDistributions(t *testing.T) {
	r := newReader(t, "")
	send(t, dial(t, open(t, r, source(web))), "t:250|ms|@0.5", "h:7|h", "h:0|d")
	c := r.Counts(all)
	if len(c.Series) != 2 {
		t.Fatalf("%+v", c.Series)
	}
	h, timer := c.Series[0], c.Series[1]
	if h.Name != "statsd_h_distribution" || h.Spread.Sum != 7 || len(h.Spread.Buckets) != 2 || h.Spread.Buckets[firstBucket] != 1 {
		t.Errorf("%+v %+v", h, h.Spread)
	}
	if timer.Name != "statsd_t_seconds" || timer.Spread.Sum != 0.5 || timer.Spread.Buckets[-16] != 2 {
		t.Errorf("%+v %+v", timer, timer.Spread)
	}
}

// TestKindsDoNotMeet is why no app can take a name away from another.
func TestKindsDoNotMeet(t *testing.T) {
	seen := map[string]Kind{}
	for _, name := range []string{"a", "a_total", "a_seconds", "a_distribution", "a_seconds_bucket", "a_seconds_sum", "a_seconds_count", "a_total_total", "a_gauge"} {
		for _, kind := range []Kind{Counter, Gauge, Timer, Other} {
			made := []string{named(name, kind)}
			if kind == Timer || kind == Other {
				made = append(made, made[0]+"_bucket", made[0]+"_sum", made[0]+"_count")
			}
			for _, one := range made {
				if other, known := seen[one]; known && other != kind {
					t.Errorf("%s is a %s and a %s", one, kind, other)
				}
				seen[one] = kind
			}
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	r := newReader(t, "")
	conn := dial(t, open(t, r, source(web)))
	for i := range seriesMost + 5 {
		send(t, conn, fmt.Sprintf("x%d:1|c", i))
		if i%100 == 0 {
			r.Counts(all) // so that the socket has room
		}
	}
	c := r.Counts(all)
	if len(c.Series) != seriesMost || c.Slots[0].Refused[TooMany] != 5 {
		t.Errorf("%d series, %v", len(c.Series), c.Slots[0].Refused)
	}
	other := Origin{App: "mail", Process: "web", Slot: 1}
	send(t, dial(t, open(t, r, source(other))), "x:1|c")
	if got := len(r.Counts(all).Series); got != seriesMost+1 {
		t.Errorf("%d series with those of another app", got)
	}
}

// TestBytesAreBounded: a thousand series of the longest names would be an answer that
// nobody waits for.
func TestBytesAreBounded(t *testing.T) {
	r := newReader(t, "")
	conn := dial(t, open(t, r, source(web)))
	for i := range seriesMost {
		send(t, conn, fmt.Sprintf("%s%d:1|ms|#%s", strings.Repeat("n", 180), i, strings.Join(strings.Split(longTags(), ",")[:4], ",")))
		if i%100 == 0 {
			r.Counts(all) // so that the socket has room
		}
	}
	c := r.Counts(all)
	size := 0
	for i := range c.Series {
		size += c.Series[i].bytes()
	}
	if size == 0 || size > shelfMost || c.Slots[0].Refused[TooMany] == 0 {
		t.Errorf("%d series of %d bytes, %v", len(c.Series), size, c.Slots[0].Refused)
	}
}

// TestAnotherLaunchOfTheName does not go on with what one of an earlier supd has
// answered, nor does anybody remember that when all are taken over.
func TestAnotherLaunchOfTheName(t *testing.T) {
	r := newReader(t, "")
	r.books.restore(Counts{Launches: map[string]Launch{source(web).Launch: {Requests: 9, Failed: 9}, "gone": {}}})
	p := open(t, r, source(web))
	if n, failed := p.Requests(); n != 0 || failed != 0 {
		t.Errorf("%d requests, %d failed", n, failed)
	}
	r.Settle()
	if c := r.Counts(all); len(c.Launches) != 1 {
		t.Errorf("%+v", c.Launches)
	}
}

// TestShutDown: a worker that shuts the shared socket down costs nothing from then on.
func TestShutDown(t *testing.T) {
	r := newReader(t, "")
	var log lockedBuffer
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	p := open(t, r, source(web))
	if err := unix.Shutdown(p.Fd(), unix.SHUT_RDWR); err != nil && err != unix.ENOTCONN {
		t.Fatal(err)
	}
	for !strings.Contains(log.String(), "shut its statsd port down") {
		time.Sleep(time.Millisecond)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestGaugesGoWithTheLastWorker(t *testing.T) {
	r := newReader(t, "")
	old := open(t, r, source(web))
	s := source(web)
	s.Launch += "0"
	next := open(t, r, s)
	send(t, dial(t, old), "g:1|g", "c:1|c")
	names := func() (all []string) {
		for _, s := range r.Counts(func(Origin) bool { return true }).Series {
			all = append(all, s.Name)
		}
		return all
	}
	old.Close()
	if diff := cmp.Diff([]string{"statsd_c_total", "statsd_g"}, names()); diff != "" {
		t.Error("while one worker of the slot lives", diff)
	}
	next.Close()
	if diff := cmp.Diff([]string{"statsd_c_total"}, names()); diff != "" {
		t.Error("without workers", diff)
	}
}

// TestDrops has nobody read: what does not fit is dropped and counted, and the sender
// sees nothing of it.
func TestDrops(t *testing.T) {
	r := newReader(t, "")
	p := open(t, r, source(web))
	conn := dial(t, p)
	sent := int64(0)
	r.mu.Lock()
	for p.dropped() == 0 {
		send(t, conn, strings.Repeat("x", 1000)+":1|c")
		sent++
	}
	r.mu.Unlock()
	for { // a scrape reads a bounded number of datagrams
		c := r.Counts(all)
		if s := c.Slots[0]; s.Datagrams+s.Dropped == sent && s.Dropped == 1 {
			return
		} else if s.Datagrams+s.Dropped > sent {
			t.Fatalf("%d were sent, got %+v", sent, s)
		}
	}
}

// TestTakeover goes on with the socket, and with what was counted.
func TestTakeover(t *testing.T) {
	r := newReader(t, "")
	p := open(t, r, source(web))
	conn := dial(t, p)
	send(t, conn, "gunicorn.request.status.500:1|c", "g:1|g", "c:1|c|#a:b", "t:5|ms")
	r.mu.Lock()
	for p.dropped() < 3 {
		send(t, conn, strings.Repeat("x", 1000)+":1|c")
	}
	r.mu.Unlock()
	fd, err := unix.FcntlInt(uintptr(p.Fd()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for r.Counts(all); len(p.waiting()) > 0; r.Counts(all) {
	}
	r.Save()
	before := r.snapshot()
	r.mu.Lock() // it is dead
	defer r.mu.Unlock()

	next := newReader(t, "")
	next.file.path = r.file.path
	next.Load()
	taken, err := next.Adopt(fd, source(web))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	after := next.Counts(all)
	if diff := cmp.Diff(before, after, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".number" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	if n, failed := taken.Requests(); n != 1 || failed != 1 {
		t.Errorf("the launch has %d requests, %d failed", n, failed)
	}
	send(t, conn, "c:1|c|#a:b")
	for _, s := range next.Counts(all).Series {
		if s.Name == "statsd_c_total" && s.Value != 2 {
			t.Errorf("%+v", s)
		}
	}
}

// waiting is what is in the socket now.
func (p *Port) waiting() []byte {
	var b [1]byte
	n, _, _ := unix.Recvfrom(p.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return b[:max(n, 0)]
}

// TestLastDatagramIsSaved: no other one has to come for that.
func TestLastDatagramIsSaved(t *testing.T) {
	r := newReader(t, "")
	conn := dial(t, open(t, r, source(web)))
	for n := range 3 {
		send(t, conn, "gunicorn.request.status.200:1|c")
		want := fmt.Sprintf(`"by_class":[0,%d,0,0,0]`, n+1)
		for {
			if text, _ := os.ReadFile(r.file.path); strings.Contains(string(text), want) {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func TestRebind(t *testing.T) {
	r := newReader(t, "")
	p := open(t, r, source(web))
	port := p.Addr().Port()
	if _, err := r.Rebind(port, source(web)); err == nil {
		t.Error("a port that is taken was bound once more")
	}
	p.Close()
	again, err := r.Rebind(port, source(web))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Addr().Port() != port {
		t.Errorf("%s instead of port %d", again.Addr(), port)
	}
}

// TestAdoptsNothingElse is about a record that is wrong.
func TestAdoptsNothingElse(t *testing.T) {
	r := newReader(t, "")
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	file, err := tcp.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Adopt(fd, source(web)); err == nil {
		t.Error("a tcp socket was adopted")
	}
}

func TestForgetsWhatIsNoMore(t *testing.T) {
	r := newReader(t, "")
	gone := open(t, r, source(web))
	other := web
	other.Slot, other.Release = 2, "1.1"
	stays := open(t, r, source(other))
	for _, p := range []*Port{gone, stays} {
		send(t, dial(t, p), "c:1|c", "gunicorn.request.status.200:1|c", "gunicorn.request.duration:1|ms")
	}
	none := func(Origin) bool { return false }
	if c := r.Counts(none); len(c.Slots) != 2 || len(c.Series) != 2 {
		t.Errorf("something was forgotten of a port that is open: %+v", c)
	}
	gone.Close()
	c := r.Counts(none)
	if len(c.Slots) != 1 || len(c.Requests) != 1 || len(c.Durations) != 1 || len(c.Series) != 1 || c.Requests[0].Origin != other {
		t.Errorf("%+v", c)
	}
}

func TestCandidatesDoNotCount(t *testing.T) {
	r := newReader(t, "")
	s := source(web)
	s.Ignored = true
	p := open(t, r, s)
	send(t, dial(t, p), "gunicorn.request.status.500:1|c")
	if c := r.Counts(all); len(c.Slots)+len(c.Requests)+len(c.Launches) > 0 {
		t.Errorf("%+v", c)
	}
	if n, _ := p.Requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestForward(t *testing.T) {
	statsd, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t, statsd.LocalAddr().String())
	for r.forward.conn.Load() == nil {
		runtime.Gosched()
	}
	conn := dial(t, open(t, r, source(web)))
	const text = "a:1|c|#b:c\nanything else"
	send(t, conn, text)
	r.Counts(all)
	got := make([]byte, 100)
	n, _, err := statsd.ReadFrom(got)
	if err != nil || string(got[:n]) != text {
		t.Errorf("got %q, %v", got[:n], err)
	}
	statsd.Close() // what is sent now comes back as ECONNREFUSED, with the datagram after it
	for r.Counts(all).Unsent == 0 {
		send(t, conn, "a:1|c")
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"a:1|c", "a:1|ms|@0.1", "a.b:1:2:3|d|#x:y", "g:+1|g", "gunicorn.request.status.200:1|c", "x:1|c|c:id|T1"} {
		f.Add(seed)
	}
	mapping, err := configs.ReadMapping("")
	if err != nil {
		f.Fatal(err)
	}
	r := New(slog.New(slog.DiscardHandler), mapping, "", "")
	p := &Port{source: source(web)}
	p.tally = r.books.open(p, false)
	f.Fuzz(func(t *testing.T, text string) {
		r.count(p, []byte(text))
		for _, s := range p.tally.shelf.series {
			if !isName(s.Name) || len(s.Labels) > labelsMost || s.Kind == Counter && s.Value < 0 {
				t.Fatalf("%q made %+v", text, s)
			}
		}
	})
}

func BenchmarkDatagram(b *testing.B) {
	mapping, err := configs.ReadMapping("")
	if err != nil {
		b.Fatal(err)
	}
	r := New(slog.New(slog.DiscardHandler), mapping, "", "")
	p := &Port{source: source(web)}
	p.tally = r.books.open(p, false)
	texts := [][]byte{[]byte("gunicorn.request.duration:12.345|ms"), []byte("gunicorn.requests:1|c|@1.0"), []byte("gunicorn.request.status.200:1|c|@1.0")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.count(p, texts[i%3])
	}
}
