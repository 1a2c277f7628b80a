package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/supervisor/api"
)

func TestGuests(t *testing.T) {
	g := &guests{most: 20, mostOf: 8, of: map[int]int{}}
	var all []*visit
	enter := func(uid int, enters, crowded bool) {
		t.Helper()
		v := &visit{peer: peer{uid: uid}}
		if got := g.enters(v); got != enters || v.crowded != crowded {
			t.Errorf("connection %d, of uid %d: enters %v, crowded %v", len(all)+1, uid, got, v.crowded)
		}
		if enters {
			all = append(all, v)
		}
	}
	for range 8 {
		enter(1, true, false)
	}
	for range toBeTold {
		enter(1, true, true)
	}
	enter(1, false, false)
	for range 8 { // with the others' twelve these are all
		enter(2, true, false)
	}
	enter(3, false, false)
	all[0].leave()
	all[0].leave() // net/http closes twice
	enter(3, true, false)
	enter(3, false, false)
	for _, v := range all {
		v.leave()
	}
	if g.all != 0 || len(g.of) != 0 {
		t.Errorf("left: %d, %v", g.all, g.of)
	}
}

// TestFullQueue: a client waits for room where others fill the queue of the socket.
func TestFullQueue(t *testing.T) {
	path := t.TempDir() + "/s"
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	must(t, unix.Listen(fd, 0))
	c := Dial(path)
	c.patience = time.Millisecond
	for err = nil; err == nil; {
		var conn net.Conn
		if conn, err = c.connect(t.Context()); err == nil {
			defer conn.Close()
		}
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatal(err)
	}
	c.patience = time.Minute
	connected := make(chan error, 1)
	go func() {
		conn, err := c.connect(t.Context())
		if err == nil {
			conn.Close()
		}
		connected <- err
	}()
	select {
	case err := <-connected:
		t.Fatalf("the queue is full: %v", err)
	case <-time.After(50 * time.Millisecond): // it has tried, as a rule
	}
	one, _, err := unix.Accept(fd)
	must(t, err)
	defer unix.Close(one)
	must(t, <-connected)
}

// TestRefused: closing one that is refused keeps nobody waiting.
func TestRefused(t *testing.T) {
	g := &guests{refused: make(chan struct{}, 1)}
	closing, over := make(chan struct{}), make(chan struct{})
	one, other := net.Pipe()
	defer other.Close()
	g.refuse(&visit{Conn: one, leave: func() { close(closing); <-over }})
	<-closing // while it is
	second, last := net.Pipe()
	defer last.Close()
	g.refuse(&visit{Conn: second, leave: func() {}}) // there is no room for another
	if _, err := second.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the second: %v", err)
	}
	close(over)
}

// TestCrowd: one user has only so many connections and is told so; others are not
// kept out, and nobody who may act.
func TestCrowd(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal("needs root, and SUPD_TEST_REQUIRE is set")
		}
		t.Skip("needs root, to be somebody else")
	}
	_, c := serve(t, newFake("/nonexistent"))
	must(t, os.Chmod(c.socket, 0o666))
	must(t, os.Chmod(strings.TrimSuffix(c.socket, "/supd.sock"), 0o755))
	ask := func(conn net.Conn) int {
		t.Helper()
		get, err := http.NewRequest("GET", "http://supd/v1/version", nil)
		must(t, err)
		return statusOf(t, conn, get)
	}
	var crowd []net.Conn
	for range mostOfOne + toBeTold {
		conn := connectAs(t, 12345, c.socket)
		defer conn.Close()
		crowd = append(crowd, conn)
	}
	if code := ask(crowd[0]); code != http.StatusOK {
		t.Errorf("the first one: %d", code)
	}
	beyond := connectAs(t, 12345, c.socket)
	defer beyond.Close()
	if _, err := beyond.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one beyond all: %v", err)
	}
	if code := ask(crowd[mostOfOne]); code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", code)
	}
	for _, uid := range []int{0, 12346} {
		conn := connectAs(t, uid, c.socket)
		defer conn.Close()
		if code := ask(conn); code != http.StatusOK {
			t.Errorf("of uid %d: %d", uid, code)
		}
	}
}

// slowDaemon takes its time for an audit.
type slowDaemon struct {
	*fake
	begun chan string
	ends  chan struct{}
}

func (d slowDaemon) Audit(app string) ([]api.Finding, error) {
	d.begun <- app
	<-d.ends
	return nil, nil
}

// TestOneAuditAtATime: the second one of guests waits for the first, or until its client
// goes; those who may act have a turn of their own.
func TestOneAuditAtATime(t *testing.T) {
	d := slowDaemon{newFake("/nonexistent"), make(chan string), make(chan struct{})}
	s := NewServer(d, testOptions())
	stranger := peer{uid: os.Geteuid() + 12345}
	d.fake.rights.All.Readers.UIDs = []int{stranger.uid}
	audit := func(ctx context.Context, who peer, app string) <-chan error {
		ended := make(chan error, 1)
		r, err := http.NewRequestWithContext(context.WithValue(ctx, peerKey{}, who), "GET", "/v1/audit?app="+app, nil)
		must(t, err)
		go func() { ended <- s.audit(discard{}, r) }()
		return ended
	}
	gone, leave := context.WithCancel(t.Context())
	first := audit(t.Context(), stranger, "whois")
	if app := <-d.begun; app != "whois" {
		t.Fatal(app)
	}
	second := audit(gone, stranger, "other")
	root := audit(t.Context(), peer{uid: 0}, "bare")
	if app := <-d.begun; app != "bare" { // and not the second one of the stranger
		t.Errorf("begun: %s", app)
	}
	leave()
	if err := <-second; err == nil || !contains(err.Error(), "the client has gone") {
		t.Errorf("of a client that has gone: %v", err)
	}
	third := audit(t.Context(), stranger, "other")
	d.ends <- struct{}{}
	d.ends <- struct{}{}
	must(t, errors.Join(<-first, <-root))
	if app := <-d.begun; app != "other" {
		t.Errorf("begun: %s", app)
	}
	d.ends <- struct{}{}
	must(t, <-third)
}

// discard is the answer to a client that does not matter.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// deadlines is a connection whose deadlines are noted.
type deadlines struct {
	discard
	read, write []time.Duration // from then
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = append(d.read, time.Until(at))
	return nil
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.write = append(d.write, time.Until(at))
	return nil
}

func (d *deadlines) FlushError() error { return nil }

// TestDeadlines: each answer and each part of a stream has one, and so has a body that
// nobody reads; a stream that rests has none that would end it.
func TestDeadlines(t *testing.T) {
	s := NewServer(newFake("/nonexistent"), testOptions())
	get, err := http.NewRequest("GET", "/v1/version", strings.NewReader("never comes"))
	must(t, err)
	var d deadlines
	s.http.Handler.ServeHTTP(&d, get)
	if len(d.read) != 1 || len(d.write) != 1 || d.write[0] > writeTime || d.read[0] > requestTime || d.read[0] <= 0 || d.write[0] <= 0 {
		t.Errorf("an answer: %+v", d)
	}
	d = deadlines{}
	get.Body, get.ContentLength = nil, 0
	stream := s.stream(&d, get, "text/plain")
	for range 2 {
		_, err := stream.Write([]byte("x"))
		must(t, err)
	}
	if len(d.read) != 0 || len(d.write) != 3 || d.write[2] <= farewell {
		t.Errorf("a stream: %+v", d)
	}
	must(t, s.Shutdown(t.Context()))
	<-stream.ctx.Done()
	_, err = stream.Write([]byte("x"))
	must(t, err)
	if last := d.write[len(d.write)-1]; last > farewell {
		t.Errorf("a stream at the end: %+v", d)
	}
	stream.end()
}
