package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

func TestSummary(t *testing.T) {
	workers := func(app string, states ...api.State) api.AppStatus {
		p := api.ProcessStatus{Name: "web"}
		for i, state := range states {
			p.Workers = append(p.Workers, api.WorkerStatus{Name: fmt.Sprintf("%s/web.%d", app, i+1), State: state})
		}
		return api.AppStatus{Name: app, Processes: []api.ProcessStatus{p}}
	}
	deploys := func(a api.AppStatus, from, to string, ended time.Time) api.AppStatus {
		a.Rollout = &api.RolloutStatus{Rollout: release.Rollout{Kind: release.KindDeploy, From: from, To: to, Step: release.StepReplace, EndedAt: ended}}
		return a
	}
	const r, b = api.Running, api.Backoff
	tests := []struct {
		apps []api.AppStatus
		want string
	}{
		{nil, "0 apps"},
		{[]api.AppStatus{workers("a", r)}, "1 app; 1 worker running"},
		{[]api.AppStatus{workers("a", r, r, b), workers("b", r, api.Failed)}, "2 apps; 3 workers running, 1 in backoff (a/web.3), 1 failed (b/web.2)"},
		{[]api.AppStatus{workers("a", b, b, b, b)}, "1 app; 4 workers in backoff (a/web.1, a/web.2, a/web.3, …)"},
		{[]api.AppStatus{deploys(workers("a", r), "1.4", "1.5", time.Time{}), deploys(workers("b"), "1", "2", time.Unix(1, 0))}, "1 worker running; a: deploy 1.4 → 1.5, replace"},
		{[]api.AppStatus{deploys(workers("a"), "", "1.5", time.Time{})}, "1 app; a: deploy none → 1.5, replace"},
	}
	at := time.Date(2026, 3, 1, 16, 37, 0, 0, time.Local)
	old := workers("a", r, r)
	old.Processes[0].Workers[1].Behind = &api.Behind{Why: "exited with code 3"}
	for want, s := range map[string]api.Status{
		"1 app; 2 workers running; 1 worker of an older configuration (a/web.2)":                           {Apps: []api.AppStatus{old}},
		"0 apps; not applied since 2026-03-01 16:37:00, as SIGHUP asked: apps/a.toml:1: x":                 {Refused: &api.Refusal{By: "SIGHUP", At: at, Why: "apps/a.toml:1: x"}},
		"0 apps; not applied since 2026-03-01 16:37:00, as root (uid 0, pid 1) asked: apps/a.toml:1: x; …": {Refused: &api.Refusal{By: "root (uid 0, pid 1)", At: at, Why: "apps/a.toml:1: x\napps/b.toml:2: y\n"}},
	} {
		if got := summary(&s); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for _, test := range tests {
		if got := summary(&api.Status{Apps: test.apps}); !strings.HasSuffix(got, test.want) {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestInherited(t *testing.T) {
	own, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	tests := []struct {
		pid, fds, names string
		want            []supervisor.Inherited
	}{
		{own, "0", "", nil},
		{other, "2", "a:b", nil},
		{own, "many", "", nil},
		{"", "", "", nil},
		{own, "2", "whois/web:whois/admin", []supervisor.Inherited{{Name: "whois/web", Fd: 900}, {Name: "whois/admin", Fd: 901}}},
		{own, "3", "whois/web:", []supervisor.Inherited{{Name: "whois/web", Fd: 900}, {Name: "unknown", Fd: 901}, {Name: "unknown", Fd: 902}}},
		{own, "50000000", "a", []supervisor.Inherited{{Name: "a", Fd: 900}, {Name: "unknown", Fd: 901}, {Name: "unknown", Fd: 902}}},
		{own, "9223372036854775807", "a:b:c:d", []supervisor.Inherited{{Name: "a", Fd: 900}, {Name: "b", Fd: 901}, {Name: "c", Fd: 902}}},
		{own, "-1", "a", nil},
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for fd := 900; fd < 903; fd++ { // numbers that are not open here, with none behind them
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	for _, test := range tests {
		t.Setenv("LISTEN_PID", test.pid)
		t.Setenv("LISTEN_FDS", test.fds)
		t.Setenv("LISTEN_FDNAMES", test.names)
		if diff := cmp.Diff(test.want, inheritedFrom(900, slog.New(slog.DiscardHandler))); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test, diff)
		}
		if _, set := os.LookupEnv("LISTEN_FDS"); set {
			t.Error("LISTEN_FDS is left in the environment")
		}
	}
}

// TestWatchdogInterval: a time that no systemd means is told, and never waited for.
func TestWatchdogInterval(t *testing.T) {
	for usec, want := range map[string]time.Duration{
		"": 0, "30000000": 30 * time.Second, "20000": shortestWatchdog,
		"1": -1, "19999": -1, "0": -1, "-5": -1, "many": -1,
		"9223372036854776": -1, "9223372036854775807": -1, "18446744073709551615": -1,
		"18446744073709552": -1, // 384 ns, as the number wraps around
	} {
		t.Setenv("WATCHDOG_USEC", usec)
		got, err := watchdogInterval()
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("WATCHDOG_USEC=%q: %v, %v, want %v", usec, got, err, want)
		}
	}
}

// TestNotifySocketTooLong: it is said once, and not with each message.
func TestNotifySocketTooLong(t *testing.T) {
	for length, want := range map[int]bool{108: true, 109: false, 100_000: false} {
		t.Setenv("NOTIFY_SOCKET", strings.Repeat("x", length))
		if s := startedBy(slog.New(slog.DiscardHandler)); (s.socket != "") != want {
			t.Errorf("%d bytes: %q", length, s.socket)
		}
	}
}

// TestTell: systemd gets the messages in their order; without systemd nothing is
// sent.
func TestTell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	s := startedBy(slog.New(slog.DiscardHandler))
	s.reloading()
	s.ready()
	s.failed(fmt.Errorf("a port: %w", unix.EADDRINUSE))
	s.failed(errors.New("a word"))
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []string{"RELOADING=1\nMONOTONIC_USEC=", "READY=1", "ERRNO=98", "ERRNO=22"} {
		message := make([]byte, 100)
		n, err := conn.Read(message)
		if err != nil || !strings.HasPrefix(string(message[:n]), want) {
			t.Errorf("got %q, %v, want %q", message[:n], err, want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "")
	startedBy(nil).ready()
}

func TestStoreIsThereWhereSystemdSaysSo(t *testing.T) {
	tests := []struct {
		socket, fdstore string
		want            bool
	}{{"/run/notify", "4096", true}, {"/run/notify", "", false}, {"/run/notify", "0", false}, {"", "4096", false}}
	for _, test := range tests {
		t.Setenv("FDSTORE", test.fdstore)
		if got := openStore(systemd{socket: test.socket}) != nil; got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
