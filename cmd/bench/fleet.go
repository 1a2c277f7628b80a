package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	kills        = 30
	fleetSize    = 1000
	fleetRounds  = 3
	idleTime     = 20 * time.Second
	idleRounds   = 3
	settleWithin = 2 * time.Second // of quiet before an idle measurement
)

// app has a process whose workers report to f. They count as ready at once, and are
// replaced at once when they die, as long-lived workers are.
func app(child string, f *fifo, count int) string {
	return fmt.Sprintf(`
[process.child]
command = ["%s", "%s"]
count   = %d
ready   = { uptime = "1ms" }
backoff = { reset = "1ms" }
`, child, f.path, count)
}

// kind is a supervisor of children that report: supd or the limit.
type kind struct {
	name  string
	start func(f *fifo, count int) (*process, func() error, error)
}

func (b *bench) kinds() []kind {
	child := b.program("child")
	return []kind{
		{"limit", func(f *fifo, count int) (*process, func() error, error) {
			p, err := b.start(b.program("limit"), strconv.Itoa(count), child, f.path)
			if err != nil {
				return nil, nil, err
			}
			return p, p.stopAll, nil
		}},
		{"supd", func(f *fifo, count int) (*process, func() error, error) {
			d, err := b.supd(app(child, f, count))
			if err != nil {
				return nil, nil, err
			}
			return d.process, d.stop, nil
		}},
	}
}

// with runs do while count children of k run, all of which have reported.
func (b *bench) with(ctx context.Context, k kind, count int, do func(p *process, f *fifo, started []record) error) (err error) {
	f, err := b.newFifo("fifo")
	if err != nil {
		return err
	}
	defer f.close()
	p, stop, err := k.start(f, count)
	if err != nil {
		return err
	}
	defer func() {
		if e := stop(); err == nil {
			err = e
		}
	}()
	records, err := f.read(ctx, count)
	if err != nil {
		text, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s: %w\n%s", k.name, err, text[max(0, len(text)-2000):])
	}
	return do(p, f, records)
}

// replacement kills one worker again and again.
func replacement(ctx context.Context, b *bench) error {
	medians := map[string]time.Duration{}
	for _, k := range b.kinds() {
		var times []time.Duration
		err := b.with(ctx, k, 1, func(_ *process, f *fifo, started []record) error {
			for range kills {
				time.Sleep(100 * time.Millisecond) // until all work of the start is done
				began := now()
				if err := unix.Kill(started[0].pid, unix.SIGKILL); err != nil {
					return err
				}
				var err error
				if started, err = f.read(ctx, 1); err != nil {
					return err
				}
				times = append(times, started[0].at-began)
			}
			return nil
		})
		if err != nil {
			return err
		}
		medians[k.name] = median(times)
	}
	b.add(row{"killed worker's replacement in its main", millis(medians["supd"]), millis(medians["limit"]) + " C limit", ratio(medians["supd"], medians["limit"]), "≤ 3"})
	return nil
}

// fleet starts a thousand and kills them all at once.
func fleet(ctx context.Context, b *bench) error {
	started, back := map[string][]time.Duration{}, map[string][]time.Duration{}
	for range fleetRounds {
		for _, k := range b.kinds() {
			err := b.with(ctx, k, fleetSize, func(p *process, f *fifo, all []record) error {
				started[k.name] = append(started[k.name], last(all)-p.began)
				time.Sleep(time.Second) // until all work of the start is done
				began := now()
				for _, r := range all {
					unix.Kill(r.pid, unix.SIGKILL)
				}
				again, err := f.read(ctx, fleetSize)
				back[k.name] = append(back[k.name], last(again)-began)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	for _, r := range []struct {
		what  string
		times map[string][]time.Duration
	}{{"1,000 workers started", started}, {"1,000 back after all were killed", back}} {
		supd, limit := median(r.times["supd"]), median(r.times["limit"])
		b.add(row{r.what, millis(supd), millis(limit) + " C limit", ratio(supd, limit), "≤ 4"})
	}
	return nil
}

// idle looks at supd while a thousand workers do nothing.
func idle(ctx context.Context, b *bench) error {
	supd := b.kinds()[1]
	return b.with(ctx, supd, fleetSize, func(p *process, _ *fifo, _ []record) error {
		time.Sleep(settleWithin)
		var used []time.Duration
		for range idleRounds {
			before, err := cpuTime(p.cmd.Process.Pid)
			if err != nil {
				return err
			}
			select {
			case <-time.After(idleTime):
			case <-ctx.Done():
				return ctx.Err()
			}
			after, err := cpuTime(p.cmd.Process.Pid)
			if err != nil {
				return err
			}
			used = append(used, (after-before)*time.Duration(time.Minute/idleTime))
		}
		proc := fmt.Sprintf("/proc/%d", p.cmd.Process.Pid)
		pss, err := field(proc+"/smaps_rollup", "Pss:")
		if err != nil {
			return err
		}
		threads, err := field(proc+"/status", "Threads:")
		b.add(row{"supd beside 1,000 idle workers: memory (PSS)", fmt.Sprintf("%.1f MiB", float64(pss)/1024), "", "", "≤ 30 MiB"})
		b.add(row{"  processor time a minute", millis(median(used)), "", "", "≤ 5 ms"})
		b.add(row{"  threads", strconv.FormatInt(threads, 10), "", "", "none per worker"})
		return err
	})
}

// cpuTime sums the processor time of all threads, in nanoseconds; /proc/PID/stat
// counts in ticks of 10 ms, more than the goal for a minute.
func cpuTime(pid int) (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// field is the number that follows name in a file of /proc.
func field(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == name {
			return strconv.ParseInt(words[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no %s", file, name)
}
