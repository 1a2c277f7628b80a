package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"supd/cmd/demo/load"
)

const (
	swapWorkers = 2
	besideLimit = 20 * time.Second // for a gunicorn started beside supd to serve
)

// swapping is a way to swap, and how often.
type swapping struct {
	what    string
	times   int
	rollout string
}

// swappings: the first has the default rollout except for the bake, during which
// nothing happens; the second has no pause at all, so that some Python is starting
// at any moment.
var swappings = []swapping{
	{"", 10, "[rollout]\nbake = \"0s\"\n"},
	{", min_ready = 0", 30, rolloutAtOnce},
}

const quickApp = `def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
`

var gunicorn = []string{"/usr/bin/python3", "-B", "-m", "gunicorn", "--workers", "1", "quick:app"}

// swap measures how long requests take while one release replaces the other, and
// for as long without a swap. It also measures them while as many gunicorns start
// and end beside supd, since those take processor time in any swap.
func swap(ctx context.Context, b *bench) error {
	if exec.Command(gunicorn[0], "-c", "import gunicorn").Run() != nil {
		b.add(row{what: "latency during swaps of gunicorn: gunicorn is not installed"})
		return nil
	}
	for _, s := range swappings {
		if err := b.swap(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) swap(ctx context.Context, s swapping) (err error) {
	d, err := b.released(b.dir, fmt.Sprintf(`
[socket.web]
listen = "unix:@DIR@/web.sock"
[process.web]
command = %s
count   = %d
sockets = ["web"]
ready   = { http = "/" }
stop    = [["TERM", "35s"]]
`, list(gunicorn), swapWorkers), s.rollout,
		func(dir string) error { return os.WriteFile(filepath.Join(dir, "quick.py"), []byte(quickApp), 0o644) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	var during, without, beside load.Report
	for i := range s.times {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := d.under(func() error {
			_, err := d.supctl("deploy", "bench", versions[(i+1)%2])
			return err
		})
		if err != nil {
			return err
		}
		during = sum(during, r)
		if r, err = d.under(func() error { time.Sleep(r.Elapsed); return nil }); err != nil {
			return err
		}
		without = sum(without, r)
		if r, err = d.under(d.startBeside); err != nil {
			return err
		}
		beside = sum(beside, r)
	}
	b.addSwap(s, during, without, beside)
	return nil
}

func (b *bench) addSwap(s swapping, during, without, beside load.Report) {
	base := quantile(without.Times, 0.99)
	all := sum(sum(during, without), beside)
	b.add(row{fmt.Sprintf("p99 of 400 requests/s during %d swaps of gunicorn%s", s.times, s.what), p99(during), p99(without) + " without",
		ratio(quantile(during.Times, 0.99), base), "≤ 1.5"})
	b.add(row{"  while as many start and end beside", "", p99(beside), ratio(quantile(beside.Times, 0.99), base), "-"})
	b.add(row{"  median", millis(median(during.Times)), millis(median(without.Times)) + " without", ratio(median(during.Times), median(without.Times)), "-"})
	b.add(row{"  failed", fmt.Sprintf("%d of %d", all.Lost, all.Lost+all.Served), "", "", "0"})
}

func p99(r load.Report) string { return millis(quantile(r.Times, 0.99)) }

func sum(a, b load.Report) load.Report {
	a.Lost, a.Served, a.Times = a.Lost+b.Lost, a.Served+b.Served, append(a.Times, b.Times...)
	return a
}

// under puts the app's socket under load while do runs.
func (d *daemon) under(do func() error) (load.Report, error) {
	l := load.Start(load.Target{Network: "unix", Address: filepath.Join(d.dir, "web.sock"), Path: "/", Clients: requestClients, Rate: requestRate})
	err := do()
	return l.Stop(), err
}

// startBeside does what a swap does to the processors: one gunicorn after the
// other starts, and ends once it serves.
func (d *daemon) startBeside() error {
	at := filepath.Join(d.dir, "beside.sock")
	for range swapWorkers {
		cmd := exec.Command(gunicorn[0], append(gunicorn[1:len(gunicorn):len(gunicorn)], "--bind", "unix:"+at)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as a worker is: sched(7), autogroup
		cmd.Dir = filepath.Join(d.dir, "releases", versions[0])
		if err := cmd.Start(); err != nil {
			return err
		}
		err := untilServed(at)
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
		if err != nil {
			return err
		}
	}
	return nil
}

func untilServed(at string) (err error) {
	for deadline := time.Now().Add(besideLimit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = load.Get("unix", at, "/"); err == nil {
			return nil
		}
	}
	return err
}
