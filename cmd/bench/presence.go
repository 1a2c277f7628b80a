package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

const (
	reexecs     = 7
	takeovers   = 7
	askPause    = time.Millisecond // between two questions
	quietBefore = time.Second      // until all earlier work is done
	takenWithin = 30 * time.Second
)

// crew is a supd with a thousand workers that outlive it.
type crew struct {
	*daemon
	client *control.Client
	pids   map[string]int // by worker
}

// crewed starts a crew, runs do, and ends the crew.
func (b *bench) crewed(ctx context.Context, do func(*crew) error) (err error) {
	f, err := b.newFifo("fifo")
	if err != nil {
		return err
	}
	defer f.close()
	d, err := b.supd(app(b.program("child"), f, fleetSize))
	if err != nil {
		return err
	}
	c := &crew{daemon: d, client: control.Dial(d.control())}
	defer c.client.Close()
	defer func() { err = errors.Join(err, c.stop()); c.end() }()
	if _, err := f.read(ctx, fleetSize); err != nil {
		return fmt.Errorf("%w\n%s", err, c.lastWords())
	}
	if err := d.ready(); err != nil {
		return err
	}
	if c.pids, err = c.running(ctx); err != nil {
		return err
	}
	return do(c)
}

// end kills the workers that are left without a supd.
func (c *crew) end() {
	for _, pid := range c.pids {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && exe == c.b.program("child") {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// running gives the pids of the workers that are RUNNING, by name.
func (c *crew) running(ctx context.Context) (map[string]int, error) {
	s, err := c.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	pids := map[string]int{}
	for _, a := range s.Apps {
		for _, p := range a.Processes {
			for _, w := range p.Workers {
				if w.State == api.Running {
					pids[w.Name] = w.Pid
				}
			}
		}
	}
	return pids, nil
}

// kept counts the workers that are RUNNING with the pid that they had.
func (c *crew) kept(now map[string]int) (n int) {
	for name, pid := range now {
		if c.pids[name] == pid {
			n++
		}
	}
	return n
}

// reexec measures the time in which no supd answers: from the last answer of the
// old one's owner to the first of the new one's.
func reexec(ctx context.Context, b *bench) error {
	return b.crewed(ctx, func(c *crew) error {
		var gaps []time.Duration
		for range reexecs {
			time.Sleep(quietBefore)
			gap, err := c.reexecOnce(ctx)
			if err != nil {
				return fmt.Errorf("%w\n%s", err, c.lastWords())
			}
			gaps = append(gaps, gap)
		}
		now, err := c.running(ctx)
		b.add(row{"reexec with 1,000 workers: no supd answers for", spread(gaps), "", "", "< 100 ms"})
		b.add(row{"  the same pids after all of them", fmt.Sprintf("%d of %d", c.kept(now), fleetSize), "", "", "all"})
		return err
	})
}

// reexecOnce gives the longest time between two answers.
func (c *crew) reexecOnce(ctx context.Context) (gap time.Duration, err error) {
	if err := c.owner(ctx); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() {
		_, err := c.supctl("reexec")
		done <- err
	}()
	last := now()
	for over := false; ; time.Sleep(askPause) {
		select {
		case err := <-done:
			if err != nil {
				return 0, err
			}
			over = true
		case <-ctx.Done():
			return 0, ctx.Err()
		default:
		}
		if c.owner(ctx) != nil {
			continue
		}
		gap, last = max(gap, now()-last), now()
		if over {
			return gap, nil
		}
	}
}

// owner sends a request that the owner has to answer and that changes nothing.
func (c *crew) owner(ctx context.Context) error {
	r, err := c.client.Do(ctx, api.Request{Action: api.ActionStart, Targets: []string{"bench/child.1"}})
	if err == nil && r.Code != api.CodeDone {
		err = errors.New(r.Error)
	}
	return err
}

// takeover measures from the start of a supd, after one that was killed, until it
// answers that all workers are running, with the pids that they had.
func takeover(ctx context.Context, b *bench) error {
	return b.crewed(ctx, func(c *crew) error {
		var times []time.Duration
		for range takeovers {
			time.Sleep(quietBefore)
			took, err := c.takeoverOnce(ctx)
			if err != nil {
				return fmt.Errorf("%w\n%s", err, c.lastWords())
			}
			times = append(times, took)
		}
		b.add(row{"takeover of 1,000 workers by a new supd, all with their pids", spread(times), "", "", "< 500 ms"})
		return nil
	})
}

func (c *crew) takeoverOnce(ctx context.Context) (time.Duration, error) {
	if err := c.cmd.Process.Kill(); err != nil {
		return 0, err
	}
	<-c.exited
	if err := c.launch(); err != nil {
		return 0, err
	}
	kept, err := 0, error(nil)
	for deadline := time.Now().Add(takenWithin); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(askPause) {
		var all map[string]int
		if all, err = c.running(ctx); err != nil {
			continue
		}
		if kept = c.kept(all); kept == fleetSize {
			return now() - c.began, nil
		}
	}
	return 0, errors.Join(err, ctx.Err(), fmt.Errorf("%d of %d workers are running with their pids", kept, fleetSize))
}
