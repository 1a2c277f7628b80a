package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"supd/cmd/demo/load"
	"supd/supervisor/api"
)

// startNginx starts an nginx on 127.0.0.1:PORT that passes requests to web.sock.
func startNginx(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "nginx VARIABLE")
	freePort(ts, false, args)
	text, err := os.ReadFile(filepath.Join(ts.Getenv("REPO"), "cmd/supd/testdata/app/nginx.conf"))
	ts.Check(err)
	config := strings.NewReplacer("@WORK@", ts.Getenv("WORK"), "@PORT@", ts.Getenv(args[0])).Replace(string(text))
	ts.Check(os.WriteFile(ts.MkAbs("nginx.conf"), []byte(config), 0o644))
	ts.Check(os.Mkdir(ts.MkAbs("nginx-tmp"), 0o755))
	startServer(ts, false, []string{"nginx", "nginx", "-c", ts.MkAbs("nginx.conf")})
	poll(ts, func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+ts.Getenv(args[0]))
		if err == nil {
			c.Close()
		}
		return err
	})
}

// The traffic is that of sixteen browsers: each keeps its connection as long as
// the server does. As in package load nothing is ever tried again.
const (
	trafficClients = 16
	trafficRate    = 160                // of all together, in a second
	enough         = 3 * trafficClients // so many answers show which versions serve
)

// traffic has its results so far.
type traffic struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex // the clients count from their own goroutines
	served map[string]int
	last   [trafficClients]string // version that each client was answered by
	since  map[string]int         // served since listenAnew
	lost   []string
}

func trafficCommand(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "traffic start PORT | traffic sees VERSION | traffic only VERSION | traffic stop VERSION…"
	need(ts, neg, len(args) >= 2, usage)
	s := of(ts)
	if args[0] == "start" && len(args) == 2 {
		s.traffic = startTraffic("127.0.0.1:" + args[1])
		ts.Defer(s.traffic.stop)
		return
	}
	if s.traffic == nil {
		ts.Fatalf("no traffic")
	}
	switch {
	case args[0] == "sees" && len(args) == 2:
		poll(ts, func() error { return s.traffic.all(args[1]) })
	case args[0] == "only" && len(args) == 2:
		s.traffic.listenAnew()
		poll(ts, func() error {
			versions, answers := s.traffic.heard()
			if answers < enough {
				return fmt.Errorf("%d answers, want %d", answers, enough)
			}
			if !slices.Equal(versions, args[1:]) { // what was accepted before may be answered for a moment
				s.traffic.listenAnew()
				return fmt.Errorf("answered by %v, want %s alone", versions, args[1])
			}
			return nil
		})
	case args[0] == "stop":
		s.traffic.stop()
		ts.Logf("served %v, lost %d", s.traffic.served, len(s.traffic.lost))
		ts.Check(s.traffic.was(args[1:]))
	default:
		ts.Fatalf("usage: %s", usage)
	}
}

func startTraffic(address string) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{cancel: cancel, served: map[string]int{}, since: map[string]int{}}
	for i := range trafficClients {
		t.done.Go(func() { t.client(ctx, i, address) })
	}
	return t
}

func (t *traffic) stop() {
	t.cancel()
	t.done.Wait()
}

func (t *traffic) client(ctx context.Context, number int, address string) {
	tick := time.NewTicker(time.Second * trafficClients / trafficRate)
	defer tick.Stop()
	var c net.Conn
	var r *bufio.Reader
	for {
		select {
		case <-ctx.Done():
			if c != nil {
				c.Close()
			}
			return
		case <-tick.C:
		}
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", address); err != nil {
				t.count(number, "", err)
				continue
			}
			r = bufio.NewReader(c)
		}
		version, kept, err := ask(c, r)
		t.count(number, version, err)
		if !kept || err != nil {
			c.Close()
			c = nil
		}
	}
}

// ask asks once on a connection, and reports whether it may be used again.
func ask(c net.Conn, r *bufio.Reader) (version string, kept bool, err error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", false, err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return "", false, fmt.Errorf("write: %w", err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", false, fmt.Errorf("read: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	version = resp.Header.Get("X-Version")
	switch {
	case err != nil:
		return "", false, fmt.Errorf("read body: %w", err)
	case resp.StatusCode != http.StatusOK || string(body) != version:
		return "", false, fmt.Errorf("answered %s, %q by %q", resp.Status, body, version)
	}
	return version, !resp.Close, nil
}

func (t *traffic) count(number int, version string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.lost = append(t.lost, fmt.Sprintf("%s: %v", time.Now().Format("15:04:05.000"), err))
		return
	}
	t.served[version]++
	t.since[version]++
	t.last[number] = version
}

// all gives nil if each client's last answer was from that version.
func (t *traffic) all(version string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.ContainsFunc(t.last[:], func(v string) bool { return v != version }) {
		return fmt.Errorf("last answers %v, want %s", t.last, version)
	}
	return nil
}

func (t *traffic) listenAnew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since = map[string]int{}
}

// heard gives the versions that have answered since listenAnew, and the number of
// all answers.
func (t *traffic) heard() (versions []string, answers int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for version, n := range t.since {
		versions, answers = append(versions, version), answers+n
	}
	return versions, answers
}

// was gives nil if nothing was lost, and these versions and no others have
// answered.
func (t *traffic) was(versions []string) error {
	if len(t.lost) > 0 {
		return fmt.Errorf("%d requests lost, first %s", len(t.lost), strings.Join(t.lost[:min(5, len(t.lost))], "\n"))
	}
	slices.Sort(versions)
	if seen := slices.Sorted(maps.Keys(t.served)); !slices.Equal(seen, versions) {
		return fmt.Errorf("answered by %v, want %v", seen, versions)
	}
	return nil
}

// answers asks once and compares the answer.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 4, "answers TEXT NETWORK ADDRESS PATH")
	body, err := load.Body(args[1], args[2], args[3])
	ts.Check(err)
	if body != args[0] {
		ts.Fatalf("%s is answered by %q, want %q", args[3], body, args[0])
	}
}

// settled waits until no rollout is under way, and every worker runs the active
// release.
func settled(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "settled VARIABLE")
	poll(ts, func() error {
		out, err := command(ts, "supctl", "--json", "status", "whois").Output()
		if err != nil {
			return fmt.Errorf("supctl status: %w", err)
		}
		var status api.Status
		if err := json.Unmarshal(out, &status); err != nil {
			return err
		}
		if err := consistent(status); err != nil {
			return fmt.Errorf("%w in %s", err, out)
		}
		ts.Setenv(args[0], status.Apps[0].Release)
		return nil
	})
}

func consistent(status api.Status) error {
	if len(status.Apps) != 1 {
		return fmt.Errorf("%d apps", len(status.Apps))
	}
	a := status.Apps[0]
	if a.Rollout != nil && !a.Rollout.Ended() {
		return fmt.Errorf("a rollout is under way")
	}
	for _, p := range a.Processes {
		for _, w := range p.Workers {
			if w.State != api.Running || w.Release != a.Release {
				return fmt.Errorf("%s is %s with %q, want %s", w.Name, w.State, w.Release, a.Release)
			}
		}
	}
	return nil
}

// mountTmpfs mounts a small file system, which is unmounted at the end.
func mountTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "tmpfs DIRECTORY SIZE")
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size="+args[1]))
	t := testOf(ts)
	ts.Defer(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
			unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
}

// workersAre waits until there are that many workers that lead a session.
func workersAre(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "workers N")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	poll(ts, func() error {
		leaders := slices.DeleteFunc(workersOf(ts.Getenv("WORK")), func(pid int) bool { return session(pid) != pid })
		if len(leaders) != want {
			return fmt.Errorf("%d workers %v, want %d", len(leaders), leaders, want)
		}
		return nil
	})
}

// session gives the sixth field of /proc/PID/stat, or 0 if there is no such
// process.
func session(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	n, _ := strconv.Atoi(fields[3])
	return n
}

var faults struct {
	once sync.Once
	err  error
}

// faultySupd puts supd-faults beside supd: built with the tag faults, it kills
// itself right after it has journaled the step that SUPD_DIE_AT names.
func faultySupd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "faults")
	faults.once.Do(func() {
		build := []string{"build", "-tags", "faults", "-o", filepath.Join(built.bin, "supd-faults"), "supd/cmd/supd"}
		cmd := exec.Command("go", build...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if raceDetector() {
			cmd.Args = slices.Insert(cmd.Args, 2, "-race")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			faults.err = fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	})
	ts.Check(faults.err)
}

// A traffic that overlooks a failure would make every other test worthless.
func TestTrafficCountsWhatIsLost(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"status 502":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"other version": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Version", "1"); io.WriteString(w, "2") },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			io.WriteString(w, "1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			c, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if version, _, err := ask(c, bufio.NewReader(c)); err == nil {
				t.Errorf("answered by %q, want an error", version)
			}
		})
	}
	if err := (&traffic{lost: []string{"one"}, served: map[string]int{"1": 1}}).was([]string{"1"}); err == nil {
		t.Error("a lost request is none")
	}
	if err := (&traffic{served: map[string]int{"1": 1, "2": 1}}).was([]string{"1"}); err == nil {
		t.Error("an answer by another version is none")
	}
}
