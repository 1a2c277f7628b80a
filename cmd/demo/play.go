package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/cmd/demo/load"
)

const (
	clients  = 16
	restarts = 3
	calm     = time.Second // of load before, between and after the restarts; also backoff.reset
)

// play is the show, scene by scene; the first that goes wrong ends it.
func (s *stage) play(ctx context.Context) error {
	scenes := []func(context.Context) error{s.opening, s.dropped, s.killed, s.underLoad}
	for _, scene := range scenes {
		if err := scene(ctx); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return fmt.Errorf("%w\nsupd's log:\n%s", err, s.lastWords())
		}
	}
	return nil
}

// opening starts supd and waits until every worker has said hello.
func (s *stage) opening(ctx context.Context) error {
	say("One application, %d workers, in a directory that is removed at the end.", workers)
	text, err := os.ReadFile(s.appFile())
	if err != nil {
		return err
	}
	command("cat %s", s.appFile())
	quote(text)
	command("supd --config %s", filepath.Join(s.dir, "supd.toml"))
	began := time.Now()
	if err := s.startDaemon(); err != nil {
		return err
	}
	for range workers {
		if _, err := s.nextHello(ctx); err != nil {
			return err
		}
	}
	say("The last of the %d workers was in its main %s after that.", workers, millis(time.Since(began)))
	if err := s.untilRunning(ctx); err != nil {
		return err
	}
	return s.run(ctx, "status")
}

// dropped shows what a worker is, from the kernel's side and from a client's.
func (s *stage) dropped(ctx context.Context) error {
	pid, err := s.pid(ctx, "demo/web.1")
	if err != nil {
		return err
	}
	say("What the kernel says of the first worker:")
	path := fmt.Sprintf("/proc/%d/status", pid)
	command("grep -E 'Uid|Gid|Groups|CapEff|CapBnd|NoNewPrivs' %s", path)
	status, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Uid", "Gid", "Groups", "CapEff", "CapBnd", "NoNewPrivs":
			quote([]byte(line))
		}
	}
	say("And what it answers, on a socket that supd has bound for it:")
	command("curl http://%s/", s.address)
	body, err := load.Body("tcp", s.address, "/")
	if err != nil {
		return err
	}
	quote([]byte(body))
	return nil
}

// killed kills a worker without warning and waits for the next one.
func (s *stage) killed(ctx context.Context) error {
	pid, err := s.pid(ctx, "demo/web.2")
	if err != nil {
		return err
	}
	say("A worker dies; it has been well for longer than backoff.reset, so that it is replaced at once:")
	if err := pause(ctx, calm); err != nil {
		return err
	}
	command("kill -KILL %d", pid)
	began := time.Now()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	name, err := s.nextHello(ctx)
	if err != nil {
		return err
	}
	back := time.Since(began)
	if err := s.untilRunning(ctx); err != nil {
		return err
	}
	say("%s was back in its main after %s, and took requests again after at most %s.", name, millis(back), millis(time.Since(began)))
	return s.run(ctx, "status")
}

// underLoad replaces all workers while clients ask all the time.
func (s *stage) underLoad(ctx context.Context) error {
	say("%d clients now ask without a pause, each request on a new connection.", clients)
	l := load.Start(load.Target{Network: "tcp", Address: s.address, Path: "/", Clients: clients})
	err := s.restartAll(ctx)
	sum := l.Stop()
	if err != nil {
		return err
	}
	if err := s.run(ctx, "status"); err != nil {
		return err
	}
	say("Summary: %d workers replaced, one killed. Under load: %s.", restarts*workers, sum)
	if sum.Lost > 0 || sum.Served == 0 {
		return fmt.Errorf("%d requests served, %d lost", sum.Served, sum.Lost)
	}
	return s.run(ctx, "shutdown")
}

func (s *stage) restartAll(ctx context.Context) error {
	for range restarts {
		if err := pause(ctx, calm); err != nil {
			return err
		}
		if err := s.run(ctx, "restart", "demo"); err != nil {
			return err
		}
	}
	return pause(ctx, calm)
}

// run runs a supctl command, and shows it and what it prints.
func (s *stage) run(ctx context.Context, args ...string) error {
	command("supctl %s", strings.Join(args, " "))
	out, err := s.supctl(ctx, args...)
	quote(out)
	if err != nil {
		return fmt.Errorf("supctl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

func (s *stage) pid(ctx context.Context, worker string) (int, error) {
	out, err := s.supctl(ctx, "pid", worker)
	if err != nil {
		return 0, fmt.Errorf("supctl pid %s: %w: %s", worker, err, out)
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// untilRunning waits until the exit code of supctl status says that all workers
// run.
func (s *stage) untilRunning(ctx context.Context) error {
	for deadline := time.Now().Add(patience); ; {
		begin := time.Now()
		out, err := s.supctl(ctx, "status", "demo")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not all workers run: %w\n%s", err, out)
		}
		// Half of the time is the workers'.
		if err := pause(ctx, max(5*time.Millisecond, time.Since(begin))); err != nil {
			return err
		}
	}
}

// nextHello waits for the next worker's first sign of life.
func (s *stage) nextHello(ctx context.Context) (string, error) {
	select {
	case name := <-s.alive:
		return name, nil
	case <-s.exited:
		return "", errors.New("supd has ended")
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(patience):
		return "", fmt.Errorf("no worker came up in %s", patience)
	}
}

// lastWords gives the end of supd's own log, for a show that went wrong.
func (s *stage) lastWords() []byte {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-4096):]
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func say(format string, args ...any)     { fmt.Printf("\n"+format+"\n", args...) }
func command(format string, args ...any) { fmt.Printf("\n  $ "+format+"\n", args...) }

func quote(text []byte) {
	for line := range bytes.Lines(text) {
		fmt.Printf("  %s\n", bytes.TrimSuffix(line, []byte("\n")))
	}
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
