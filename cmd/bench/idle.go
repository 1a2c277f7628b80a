package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	idleTime     = 20 * time.Second
	idleRounds   = 3
	settleWithin = 2 * time.Second // of quiet before an idle measurement
)

// idle looks at supd while a thousand workers do nothing.
func idle(ctx context.Context, b *bench) error {
	return b.with(ctx, supdKind, oneCount, fleetSize, func(p *process, _ *fifo, _ []record) error {
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
