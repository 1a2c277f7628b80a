package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	captureRounds = 3
	rotateAt      = 16 << 20
	keepRotated   = 60 // enough for all of the output
	captureWithin = time.Minute
)

// amount is how much the workers write together, and in writes of which size.
type amount struct {
	workers      int
	length, size int // of a line, and of a write
	lines        int // of each worker
}

func (a amount) String() string {
	from := "one worker"
	if a.workers > 1 {
		from = fmt.Sprintf("%d workers", a.workers)
	}
	return fmt.Sprintf("output of %s captured, with rotation, in writes of %d bytes", from, a.size)
}

func (a amount) bytes() int64 { return int64(a.workers) * int64(a.lines) * int64(a.length) }

// amounts are about as much time each.
var amounts = []amount{
	{1, 100, 4096, 5_000_000},
	{1, 100, 100, 1_000_000}, {10, 100, 100, 100_000}, {100, 100, 100, 10_000},
	{1, 60, 60, 1_000_000}, {10, 60, 60, 100_000}, {100, 60, 60, 10_000},
}

// logger is a way to get the output of some workers into files in a directory.
type logger struct {
	name  string
	start func(b *bench, dir string, argv []string, workers int) (*process, error)
}

// captured is one measurement.
type captured struct {
	speed float64       // MB/s
	write time.Duration // processor time of a worker for each write
	rest  time.Duration // of the logger for each MB
}

// capture measures from the first write until the last line is in a file.
func capture(ctx context.Context, b *bench) error {
	for _, a := range amounts {
		loggers := []logger{{"supd", captureSupd}}
		if a.workers == 1 {
			loggers = append(loggers, logger{"cat >file", captureCat})
		}
		if _, err := exec.LookPath("supervisord"); err == nil {
			loggers = append(loggers, logger{"supervisord", captureSupervisord})
		}
		if err := b.captureOf(ctx, a, loggers); err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	return nil
}

func (b *bench) captureOf(ctx context.Context, a amount, loggers []logger) error {
	speeds, writes, rests, found := map[string][]float64{}, map[string][]time.Duration{}, map[string][]time.Duration{}, damage{}
	for range captureRounds {
		for _, l := range loggers {
			c, bad, err := b.captureOnce(ctx, l, a)
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			speeds[l.name], writes[l.name], rests[l.name] = append(speeds[l.name], c.speed), append(writes[l.name], c.write), append(rests[l.name], c.rest)
			if l.name == "supd" {
				found = found.plus(bad)
			}
		}
	}
	cpu := func(name string) string {
		return fmt.Sprintf("%d ns, %.2f ms", median(writes[name]), float64(median(rests[name]))/1e6)
	}
	supd := median(speeds["supd"])
	r, busy := row{what: a.String(), supd: fmt.Sprintf("%.0f MB/s", supd)}, row{what: "  processor time of the worker for a write, of supd for a MB", supd: cpu("supd")}
	for _, l := range loggers[1:] {
		other := median(speeds[l.name])
		r.other = strings.TrimPrefix(fmt.Sprintf("%s, %.0f MB/s %s", r.other, other, l.name), ", ")
		busy.other = strings.TrimPrefix(fmt.Sprintf("%s; %s %s", busy.other, cpu(l.name), l.name), "; ")
		r.ratio, r.goal = ratio(supd, other), "≥ 1"
		if l.name == "supervisord" && a.size < 4096 {
			r.goal = "≥ 1.2"
		}
	}
	b.add(r)
	b.add(busy)
	b.add(row{"  lines lost, torn, or cut in two at a rotation", found.String(), "", "", "0, 0, 0"})
	return nil
}

func (b *bench) captureOnce(ctx context.Context, l logger, a amount) (c captured, bad damage, err error) {
	f, err := b.newFifo("times")
	if err != nil {
		return c, bad, err
	}
	defer f.close()
	dir, err := os.MkdirTemp(b.dir, "capture-")
	if err != nil {
		return c, bad, err
	}
	defer os.RemoveAll(dir)
	argv := []string{b.program("writer"), strconv.Itoa(a.length), strconv.Itoa(a.size), strconv.Itoa(a.lines), f.path}
	p, err := l.start(b, dir, argv, a.workers)
	if err != nil {
		return c, bad, err
	}
	defer func() {
		if e := p.stop(); err == nil {
			err = e
		}
	}()
	all, err := f.read(ctx, 2*a.workers) // a worker writes both of its own at once
	if err != nil {
		return c, bad, err
	}
	first, end, used := now(), time.Duration(0), time.Duration(0)
	for i := 0; i < len(all); i += 2 {
		first, end = min(first, time.Duration(all[i].pid)), max(end, all[i].at) // two times
		used += time.Duration(all[i+1].pid)
	}
	arrived, err := untilSize(ctx, dir, a.bytes())
	if err != nil {
		return c, bad, err
	}
	megabytes := float64(a.bytes()) / 1e6
	c.speed = megabytes / (max(arrived, end) - first).Seconds()
	c.write = used / time.Duration(a.bytes()/int64(a.size))
	if own, err := cpuTime(p.cmd.Process.Pid); err == nil && l.name != "cat >file" { // whose cat is a child of the worker
		c.rest = time.Duration(float64(own) / megabytes)
	}
	bad, err = a.inspect(dir)
	return c, bad, err
}

// untilSize waits until the files in dir have so many bytes in all.
func untilSize(ctx context.Context, dir string, want int64) (time.Duration, error) {
	var size int64
	for deadline := time.Now().Add(captureWithin); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(200 * time.Microsecond) {
		at := now()
		if size = sizeOf(dir); size >= want {
			return at, nil
		}
	}
	return 0, fmt.Errorf("%d of %d bytes are in the files after %s", size, want, captureWithin)
}

func sizeOf(dir string) (sum int64) {
	for _, name := range logFiles(dir) {
		if info, err := os.Stat(name); err == nil { // it may have been renamed in between
			sum += info.Size()
		}
	}
	return sum
}

func logFiles(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "out.log*"))
	return files
}

// damage is what happened to lines.
type damage struct{ lost, torn, cut int }

func (d damage) plus(e damage) damage { return damage{d.lost + e.lost, d.torn + e.torn, d.cut + e.cut} }
func (d damage) String() string       { return fmt.Sprintf("%d, %d, %d", d.lost, d.torn, d.cut) }

// inspect looks for each of the numbered lines, once from each worker.
func (a amount) inspect(dir string) (bad damage, err error) {
	seen := make([]uint8, a.lines)
	for _, name := range logFiles(dir) {
		text, err := os.ReadFile(name)
		if err != nil {
			return bad, err
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			bad.cut++
		}
		for line := range bytes.Lines(text) {
			number, ok := a.numberOf(line)
			if !ok || number >= a.lines || int(seen[number]) == a.workers {
				bad.torn++
				continue
			}
			seen[number]++
		}
	}
	for _, n := range seen {
		bad.lost += a.workers - int(n)
	}
	return bad, nil
}

func (a amount) numberOf(line []byte) (int, bool) {
	if len(line) != a.length || line[10] != ' ' {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[:10]))
	return n, err == nil && bytes.Count(line, []byte("x")) == a.length-12
}

func captureSupd(b *bench, dir string, argv []string, workers int) (*process, error) {
	d, err := b.supd(fmt.Sprintf(`
[process.writer]
command = %s
count   = %d
restart = "never"
log     = { file = "%s/out.log", max_size = "%dMiB", keep = %d }
`, list(argv), workers, dir, rotateAt>>20, keepRotated))
	if err != nil {
		return nil, err
	}
	return d.process, nil
}

func list(argv []string) string {
	quoted := slices.Clone(argv)
	for i := range quoted {
		quoted[i] = strconv.Quote(quoted[i])
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// captureCat is the limit for a reader that does not look at the lines. bash
// becomes the writer, so that a TERM ends it, and cat with it.
func captureCat(b *bench, dir string, argv []string, _ int) (*process, error) {
	return b.start("bash", "-c", fmt.Sprintf("exec %s > >(exec cat >%s/out.log)", strings.Join(argv, " "), dir))
}

// captureSupervisord gives each worker a log of its own, for it has no other way.
func captureSupervisord(b *bench, dir string, argv []string, workers int) (*process, error) {
	conf := filepath.Join(dir, "supervisord.conf")
	text := fmt.Sprintf(`[supervisord]
nodaemon = true
logfile = %s/supervisord.log
pidfile = %s/supervisord.pid
[program:writer]
process_name = %%(program_name)s_%%(process_num)d
numprocs = %d
command = %s
autorestart = false
startsecs = 0
stdout_logfile = %s/out.log_%%(process_num)d
stdout_logfile_maxbytes = %dMB
stdout_logfile_backups = %d
`, dir, dir, workers, strings.Join(argv, " "), dir, rotateAt>>20, keepRotated)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return b.start("supervisord", "-c", conf)
}
