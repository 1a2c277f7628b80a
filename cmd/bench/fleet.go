package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/cmd/demo/load"
	"supd/supervisor/control"
)

const (
	fleetSize = 1000 // of measurements that have one size

	oneKills   = 15                    // of one worker among all
	askEvery   = 10 * time.Millisecond // status, then metrics
	afterStart = time.Second           // until all work of the start is done

	// halfMinute is the window of fleets from a thousand on; smaller ones are looked at
	// for as long as the start's memory is kept.
	halfMinute  = 30 * time.Second
	wantedFiles = 1 << 20
	oneChild    = 512 << 10 // bytes of memory that a worker takes, the kernel's included
)

// fleetSizes are measured where nobody asks for others.
var fleetSizes = []int{10, 100, 1000, 5000, 10_000}

// figures are what is known of a fleet of one size, by one supervisor.
type figures struct {
	started, stopped time.Duration
	one, back        time.Duration // one killed among them; all killed
	backAsked        time.Duration // all killed, and status and metrics are asked meanwhile
	status, metrics  time.Duration // the longest answer then
	memory           int64         // PSS, KiB
	processor        time.Duration // in the half minute after the start
}

// fleet starts many, kills one, kills all, and stops all.
func fleet(ctx context.Context, b *bench) error {
	most, err := openFiles()
	if err != nil {
		return err
	}
	for _, s := range []shape{ofTheirOwn, oneCount} {
		before, size := figures{}, 0
		for _, count := range b.sizes {
			why := noRoomFor(count, oneChild)
			if need := count*s.descriptors() + ownDescriptors; need > most {
				why = fmt.Sprintf("supd has %d files open for each, and may have %d (ulimit -Hn)", s.descriptors(), most)
			}
			if why != "" {
				b.add(row{what: fmt.Sprintf("%d %s", count, s), supd: "skipped", other: why})
				continue
			}
			all := map[string]figures{}
			for _, k := range kinds() {
				if k.slow && count > fleetSize {
					continue
				}
				f, err := b.fleetOf(ctx, k, s, count)
				if err != nil {
					return fmt.Errorf("%d %s by %s: %w", count, s, k.name, err)
				}
				all[k.name] = f
			}
			b.addFleet(s, count, all, before, size)
			before, size = all[supdKind.name], count
		}
	}
	return nil
}

// fleetOf takes the median of some rounds where that does not take long.
func (b *bench) fleetOf(ctx context.Context, k kind, s shape, count int) (figures, error) {
	var all []figures
	rounds := max(1, min(3, 3000/count))
	if k.slow {
		rounds = 1
	}
	for i := range rounds {
		began := now()
		f, err := b.fleetOnce(ctx, k, s, count, i == 0)
		if err != nil {
			return f, err
		}
		fmt.Fprintf(os.Stderr, "  %d %s by %s, %d of %d: %.0f s\n", count, s, k.name, i+1, rounds, (now() - began).Seconds())
		all = append(all, f)
	}
	of := func(value func(figures) time.Duration) time.Duration {
		values := make([]time.Duration, len(all))
		for i, f := range all {
			values[i] = value(f)
		}
		return median(values)
	}
	return figures{
		started:   of(func(f figures) time.Duration { return f.started }),
		stopped:   of(func(f figures) time.Duration { return f.stopped }),
		one:       of(func(f figures) time.Duration { return f.one }),
		back:      of(func(f figures) time.Duration { return f.back }),
		backAsked: of(func(f figures) time.Duration { return f.backAsked }),
		status:    of(func(f figures) time.Duration { return f.status }),
		metrics:   of(func(f figures) time.Duration { return f.metrics }),
		memory:    all[0].memory,
		processor: all[0].processor,
	}, nil
}

func (b *bench) fleetOnce(ctx context.Context, k kind, s shape, count int, quiet bool) (r figures, err error) {
	err = b.withDaemon(ctx, k, s, count, func(d *daemon, f *fifo, all []record) error {
		r.started = last(all) - d.began
		if quiet && k.name == supdKind.name {
			if r.processor, r.memory, err = d.window(ctx, count); err != nil {
				return err
			}
		}
		time.Sleep(afterStart)
		if all, r.one, err = killOne(ctx, f, all); err != nil {
			return err
		}
		if all, r.back, err = killAll(ctx, f, all); err != nil {
			return err
		}
		if k.name == supdKind.name {
			asked := d.ask()
			_, r.backAsked, err = killAll(ctx, f, all)
			r.status, r.metrics = asked()
			if err != nil {
				return err
			}
		}
		time.Sleep(afterStart)
		began := now()
		err := d.stop()
		r.stopped = now() - began
		return err
	})
	return r, err
}

// window gives what supd does and has in the time after the start.
func (d *daemon) window(ctx context.Context, count int) (used time.Duration, pss int64, err error) {
	long := halfMinute
	if count < fleetSize {
		long = quietAfterStart
	}
	pid := d.cmd.Process.Pid
	before, err := cpuTime(pid)
	if err != nil {
		return 0, 0, err
	}
	select {
	case <-time.After(long):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	after, err := cpuTime(pid)
	if err != nil {
		return 0, 0, err
	}
	pss, err = field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
	return after - before, pss, err
}

// killOne kills one after the other, of all, and gives those that live then.
func killOne(ctx context.Context, f *fifo, all []record) ([]record, time.Duration, error) {
	all = slices.Clone(all)
	var times []time.Duration
	for i := range oneKills {
		victim := &all[i*7919%len(all)]
		time.Sleep(20 * time.Millisecond)
		began := now()
		if err := unix.Kill(victim.pid, unix.SIGKILL); err != nil {
			return nil, 0, err
		}
		again, err := f.read(ctx, 1)
		if err != nil {
			return nil, 0, err
		}
		*victim = again[0]
		times = append(times, again[0].at-began)
	}
	return all, median(times), nil
}

// killAll kills all at once, and gives those in their places.
func killAll(ctx context.Context, f *fifo, all []record) ([]record, time.Duration, error) {
	began := now()
	for _, r := range all {
		unix.Kill(r.pid, unix.SIGKILL)
	}
	again, err := f.read(ctx, len(all))
	return again, last(again) - began, err
}

// ask asks for status and metrics again and again until the function that it returns is
// called, which gives the longest time that each took.
func (d *daemon) ask() func() (status, metrics time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	var longest [2]time.Duration
	done := make(chan struct{})
	go func() {
		defer close(done)
		client := control.Dial(d.control())
		defer client.Close()
		for ctx.Err() == nil {
			for i, question := range []func() error{
				func() error { _, err := client.Status(ctx); return err },
				func() error {
					_, err := load.Body("unix", filepath.Join(d.dir, "metrics.sock"), "/metrics")
					return err
				},
			} {
				began := now()
				if question() == nil {
					longest[i] = max(longest[i], now()-began)
				}
			}
			time.Sleep(askEvery)
		}
	}()
	return func() (time.Duration, time.Duration) {
		cancel()
		<-done
		return longest[0], longest[1]
	}
}

// addFleet adds the lines of one size. Growth is what a worker costs beside what it cost
// at the size before, and of one that is killed the whole time.
func (b *bench) addFleet(s shape, count int, all map[string]figures, before figures, size int) {
	supd := all[supdKind.name]
	compared := func(what string, perWorker bool, value func(figures) time.Duration) {
		var others []string
		for _, k := range kinds() {
			if f, known := all[k.name]; known && k.name != supdKind.name {
				others = append(others, millis(value(f))+" "+k.name)
			}
		}
		r := row{what, millis(value(supd)), strings.Join(others, ", "), ratio(value(supd), value(all[limitKind.name])), "growth ≤ 1.2"}
		b.lines = append(b.lines, line{r, growth(value(supd), count, value(before), size, perWorker)})
	}
	alone := func(what, value, growth, goal string) {
		b.lines = append(b.lines, line{row{what: what, supd: value, goal: goal}, growth})
	}
	compared(fmt.Sprintf("%d %s: started", count, s), true, func(f figures) time.Duration { return f.started })
	compared("  one killed among them, its replacement in its main", false, func(f figures) time.Duration { return f.one })
	compared("  all killed, all back", true, func(f figures) time.Duration { return f.back })
	alone("  the same, status and metrics asked meanwhile", millis(supd.backAsked), growth(supd.backAsked, count, before.backAsked, size, true), "")
	alone("  the longest answer then: status, metrics", millis(supd.status)+", "+millis(supd.metrics), "", "")
	compared("  stopped in order", true, func(f figures) time.Duration { return f.stopped })
	alone("  memory (PSS)", fmt.Sprintf("%.1f MiB", float64(supd.memory)/1024), growth(supd.memory, count, before.memory, size, true), "growth ≤ 1.2")
	if count >= fleetSize {
		was := size
		if size < fleetSize {
			was = 0 // its window was shorter
		}
		alone("  processor time in the half minute after the start", millis(supd.processor), growth(supd.processor, count, before.processor, was, true), "growth ≤ 1.2")
	}
}

func growth[T int64 | time.Duration](value T, count int, before T, size int, perWorker bool) string {
	if size == 0 || before == 0 {
		return ""
	}
	if perWorker {
		return ratio(float64(value)/float64(count), float64(before)/float64(size))
	}
	return ratio(value, before)
}

// openFiles lets supervisors open as many files as may be, and tells how many. The hard
// limit is raised where that is permitted.
func openFiles() (int, error) {
	var have unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &have); err != nil {
		return 0, err
	}
	for _, most := range []uint64{max(wantedFiles, have.Max), have.Max} {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: most}); err == nil {
			return int(most), nil
		}
	}
	return int(have.Cur), nil
}
