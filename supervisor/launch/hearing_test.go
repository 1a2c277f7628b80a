package launch

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHearing: what is said at which moment, and what is reported then.
func TestHearing(t *testing.T) {
	start := time.Now()
	ready, ping, ill := Said{Ready: true}, Said{Ping: true}, Said{Ill: true}
	for name, steps := range map[string][]struct {
		at   time.Duration
		text string // "" is nothing: the time is over
		want Said
	}{
		"ready at once, and once":    {{0, "WATCHDOG=1", ping}, {1, "READY=1", ready}, {500, "READY=1", Said{}}},
		"one message":                {{0, "STATUS=x\nREADY=1\n" + strings.Repeat("WATCHDOG=1\n", 300) + "WATCHDOG=trigger", Said{true, true, true}}},
		"ten pings a second":         {{0, "WATCHDOG=1", ping}, {1, "WATCHDOG=1", Said{}}, {99, "WATCHDOG=1", Said{}}, {100, "", ping}, {101, "", Said{}}},
		"ill at once":                {{0, "WATCHDOG=1", ping}, {1, "WATCHDOG=trigger", ill}, {2, "WATCHDOG=trigger", Said{}}, {101, "", ill}},
		"ill with a ping that waits": {{0, "WATCHDOG=1", ping}, {1, "WATCHDOG=1", Said{}}, {2, "WATCHDOG=trigger", Said{Ping: true, Ill: true}}},
		"nothing of ours":            {{0, "STATUS=READY=1", Said{}}, {1, "READY=0\nWATCHDOG=", Said{}}, {2, "", Said{}}},
	} {
		var h hearing
		for i, s := range steps {
			now := start.Add(s.at * time.Millisecond)
			if s.text != "" {
				h.hear(s.text, now)
			}
			if got, due := h.due(now); got != s.want || due != (s.want != Said{}) {
				t.Errorf("%s: step %d: %+v, due %v, want %+v", name, i, got, due, s.want)
			}
			if wakes := h.wakes(); wakes.IsZero() != (h.said == Said{}) {
				t.Errorf("%s: step %d: wakes at %v with %+v", name, i, wakes, h.said)
			}
		}
	}
	h := hearing{ready: true}
	if h.hear("READY=1", start); h.said != (Said{}) {
		t.Errorf("of one that is not asked: %+v", h.said)
	}
}

// TestHearingRests: so many messages are read at a time, and no more.
func TestHearingRests(t *testing.T) {
	var h hearing
	now := time.Now()
	for i := range 3 * mostMessages {
		if rest := h.rest(now); rest > 0 {
			if i%mostMessages != 0 || rest != reportPause {
				t.Fatalf("after %d messages: %v", i, rest)
			}
			now = now.Add(rest)
		}
		h.hear("WATCHDOG=1", now)
	}
	if h.read != mostMessages {
		t.Errorf("%d messages read since the last rest", h.read)
	}
}

// listens binds a socket and gives what is reported of it.
func listens(t *testing.T) (worker *net.UnixConn, reports <-chan Said) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n")
	n, err := listenNotify(path, os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	all, done := make(chan Said, 1000), make(chan struct{})
	go func() {
		defer close(done)
		n.receive(hearing{}, func(s Said) { all <- s })
	}()
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	if worker, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { worker.Close() })
	return worker, all
}

// TestFlood: one who says more than anybody listens to has to wait, and is heard in the
// end.
func TestFlood(t *testing.T) {
	worker, reports := listens(t)
	const messages = 5 * mostMessages
	for range messages {
		if _, err := worker.Write([]byte(strings.Repeat("WATCHDOG=1\n", 300))); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"READY=1", "WATCHDOG=trigger"} {
		if _, err := worker.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	heard, count := Said{}, 0
	for !heard.Ready || !heard.Ill {
		s := <-reports
		heard.Ready, heard.Ill = heard.Ready || s.Ready, heard.Ill || s.Ill
		count++
	}
	if count > messages/8 {
		t.Errorf("%d reports of %d messages", count, messages)
	}
}

// TestBarrier: a descriptor that comes along is closed, and takes none of supd's.
func TestBarrier(t *testing.T) {
	worker, reports := listens(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	raw, err := worker.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), []byte("BARRIER=1\nREADY=1"), unix.UnixRights(int(write.Fd())), nil, 0)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	write.Close()
	if s := <-reports; s != (Said{Ready: true}) {
		t.Errorf("reported %+v", s)
	}
	read.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := read.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the descriptor is open")
	}
}
