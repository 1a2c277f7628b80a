package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/cmd/demo/load"
)

const (
	statsdRate  = 100_000 // datagrams a second
	statsdCount = 5 * statsdRate
)

// statsd sends as many datagrams as the goal says, and looks how many are lost; then it
// sends as many as it can, and looks what else that delays.
func statsd(ctx context.Context, b *bench) (err error) {
	f, err := b.newFifo("fifo")
	if err != nil {
		return err
	}
	defer f.close()
	sender := func(name string, rate, count int) string {
		return fmt.Sprintf("[process.%s]\ncommand = [%q, %q, %q, %q]\nautostart = false\nstatsd = true\n",
			name, b.program("sender"), f.path, strconv.Itoa(rate), strconv.Itoa(count))
	}
	d, err := b.supd(app(b.program("child"), f, 1) + sender("paced", statsdRate, statsdCount) + sender("flood", 0, 0))
	if err != nil {
		return err
	}
	defer func() {
		if e := d.stop(); err == nil {
			err = e
		}
	}()
	started, err := f.read(ctx, 1)
	if err != nil {
		return err
	}
	if err := paced(ctx, b, d, f); err != nil {
		return err
	}
	quiet, _, err := delays(ctx, d, f, started)
	if err != nil {
		return err
	}
	if _, err := d.supctl("start", "bench/flood"); err != nil {
		return err
	}
	busy, last, err := delays(ctx, d, f, quiet.last)
	if err != nil {
		return err
	}
	b.add(row{"killed worker's replacement in a flood of statsd", millis(busy.replaced), millis(quiet.replaced) + " without", ratio(busy.replaced, quiet.replaced), "-"})
	b.add(row{"scrape in a flood of statsd", millis(busy.scraped), millis(quiet.scraped) + " without", ratio(busy.scraped, quiet.scraped), "-"})
	b.add(row{"statsd in that flood: read, lost", fmt.Sprintf("%.0f, %.0f", sample(last, "supd_worker_statsd_datagrams_total", "flood"), sample(last, "supd_worker_statsd_dropped_total", "flood")), "-", "-", "-"})
	return nil
}

// paced sends at the rate of the goal.
func paced(ctx context.Context, b *bench, d *daemon, f *fifo) error {
	before, err := cpuTime(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if _, err := d.supctl("start", "bench/paced"); err != nil {
		return err
	}
	if _, err := f.read(ctx, 1); err != nil {
		return err
	}
	text, err := d.scrape()
	if err != nil {
		return err
	}
	after, err := cpuTime(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	lost := statsdCount - sample(text, "supd_worker_statsd_datagrams_total", "paced")
	share := float64(after-before) / float64(statsdCount/statsdRate*time.Second)
	b.add(row{"100,000 statsd datagrams a second for 5 s: lost", fmt.Sprintf("%.0f", lost), fmt.Sprintf("with %.0f %% of a processor", 100*share), "-", "0"})
	_, err = d.supctl("stop", "bench/paced")
	return err
}

// delay is how long other things take.
type delay struct {
	replaced, scraped time.Duration
	last              []record
}

func delays(ctx context.Context, d *daemon, f *fifo, started []record) (all delay, text string, err error) {
	var replaced, scraped []time.Duration
	for range kills {
		time.Sleep(50 * time.Millisecond) // until all work of the start is done
		began := now()
		if err := unix.Kill(started[0].pid, unix.SIGKILL); err != nil {
			return all, "", err
		}
		if started, err = f.read(ctx, 1); err != nil {
			return all, "", err
		}
		replaced = append(replaced, started[0].at-began)
		began = now()
		if text, err = d.scrape(); err != nil {
			return all, "", err
		}
		scraped = append(scraped, now()-began)
	}
	return delay{median(replaced), median(scraped), started}, text, nil
}

func (d *daemon) scrape() (string, error) {
	text, err := load.Body("unix", filepath.Join(d.dir, "metrics.sock"), "/metrics")
	return string(text), err
}

// sample is the first one of a series of a process.
func sample(text, name, process string) float64 {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") && strings.Contains(line, `process="`+process+`"`) {
			value, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			return value
		}
	}
	return 0
}
