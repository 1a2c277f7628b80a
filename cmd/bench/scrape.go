package main

import (
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
	scrapes = 7
	// warmups are scrapes before: each asks for proportional memory of some more
	// workers, which is kept for 30 seconds then.
	warmups = 10
	// quietAfterStart is when supd has given back the memory that its start took.
	quietAfterStart = 12 * time.Second
	// oneWorker is what a worker that sleeps takes of the machine's memory, with room to
	// spare.
	oneWorker = 2 << 20
)

// scrape measures a scrape of many workers, and what it takes merely to read in Go the
// files in /proc that it is made of.
func scrape(_ context.Context, b *bench) error {
	few, err := b.scrapeOf(1000)
	if err != nil {
		return err
	}
	many, err := b.scrapeOf(5000)
	if many == 0 {
		return err
	}
	b.add(row{"  5 times as many workers take", ratio(many, few) + " times the processor time", "", "", "5"})
	return err
}

// scrapeOf gives the processor time that a scrape takes; 0 where the machine has no room for so many
// workers, which is said.
func (b *bench) scrapeOf(workers int) (took time.Duration, err error) {
	what := fmt.Sprintf("scrape of %d workers; merely reading the files", workers)
	if why := noRoomFor(workers, oneWorker); why != "" {
		b.add(row{what, "skipped: " + why, "", "", ""})
		return 0, nil
	}
	d, err := b.supd(fmt.Sprintf("[process.idle]\ncommand = \"sleep 3000\"\ncount = %d\nready = { uptime = \"1ms\" }\n", workers))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.ready(); err != nil {
		return 0, err
	}
	time.Sleep(quietAfterStart)
	out, err := d.supctl("pid", "all")
	if err != nil {
		return 0, err
	}
	for range warmups { // garbage of which the collector leaves as much behind, whoever asks
		if _, err := d.supctl("status", "--json"); err != nil {
			return 0, err
		}
	}
	before, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", d.cmd.Process.Pid), "Pss:")
	if err != nil {
		return 0, err
	}
	var whole, files, busy, reading []time.Duration
	for i := range warmups + scrapes {
		used, err := cpuTime(d.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		begin := time.Now()
		if _, err := load.Body("unix", filepath.Join(d.dir, "metrics.sock"), "/metrics"); err != nil {
			return 0, err
		}
		between := time.Now()
		all, err := cpuTime(d.cmd.Process.Pid)
		own, err2 := cpuTime(os.Getpid())
		if err := errors.Join(err, err2); err != nil {
			return 0, err
		}
		reads := time.Now()
		readAll(strings.Fields(string(out)))
		read := time.Since(reads)
		after, err := cpuTime(os.Getpid())
		if err != nil {
			return 0, err
		}
		if i >= warmups {
			whole, files = append(whole, between.Sub(begin)), append(files, read)
			busy, reading = append(busy, all-used), append(reading, after-own)
		}
	}
	after, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", d.cmd.Process.Pid), "Pss:")
	if err != nil {
		return 0, err
	}
	took = median(busy)
	b.add(row{what, millis(median(whole)), millis(median(files)), ratio(median(whole), median(files)), "≤ 2"})
	b.add(row{"  of processor time, which others do not disturb", millis(took), millis(median(reading)), ratio(took, median(reading)), "≤ 2"})
	b.add(row{"  memory of supd that has grown by it, a worker", fmt.Sprintf("%.1f KiB", float64(after-before)/float64(workers)), "", "", "< 4 KiB"})
	return took, nil
}

// noRoomFor says why the machine cannot have so many workers, of which each takes so many
// bytes of memory.
func noRoomFor(workers int, each int64) string {
	pids, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if n, _ := strconv.Atoi(strings.TrimSpace(string(pids))); err != nil || n < 2*workers {
		return "kernel.pid_max is " + strings.TrimSpace(string(pids))
	}
	free, err := field("/proc/meminfo", "MemAvailable:")
	if err != nil || free<<10 < int64(workers)*each {
		return fmt.Sprintf("%d MiB of memory are available", free>>10)
	}
	return ""
}

// readAll does as anybody would: it reads the stat of every process, which is how a
// worker's descendants are found, and of each worker also what is read of it.
func readAll(workers []string) {
	all, _ := os.ReadDir("/proc")
	for _, e := range all {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			_, _ = os.ReadFile("/proc/" + e.Name() + "/stat")
		}
	}
	for _, pid := range workers {
		_, _ = os.ReadFile("/proc/" + pid + "/io")
		_, _ = os.ReadFile("/proc/" + pid + "/schedstat")
		_, _ = os.Stat("/proc/" + pid + "/fd")
		if n, err := strconv.Atoi(pid); err == nil {
			var limit unix.Rlimit
			_ = unix.Prlimit(n, unix.RLIMIT_NOFILE, nil, &limit)
		}
	}
}
