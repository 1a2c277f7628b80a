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
	lineLength    = 100
	captureRounds = 3
	rotateAt      = 16 << 20
	keepRotated   = 60 // enough for all of the output
	captureWithin = time.Minute
)

// amount is how much the program writes, and in writes of which size.
type amount struct {
	name        string
	size, lines int
}

// logger is a way to get a program's output into files in a directory.
type logger struct {
	name  string
	start func(b *bench, dir string, argv []string) (*process, error)
}

// capture measures from the first write until the last line is in a file.
func capture(ctx context.Context, b *bench) error {
	loggers := []logger{{"supd", captureSupd}, {"cat", captureCat}}
	if _, err := exec.LookPath("supervisord"); err == nil {
		loggers = append(loggers, logger{"supervisord", captureSupervisord})
	}
	for _, a := range []amount{{"4 KiB", 4096, 5_000_000}, {"100 B", 100, 1_000_000}} {
		speeds, found := map[string][]float64{}, damage{}
		for range captureRounds {
			for _, l := range loggers {
				speed, bad, err := b.captureOnce(ctx, l, a)
				if err != nil {
					return fmt.Errorf("%s: %w", l.name, err)
				}
				speeds[l.name] = append(speeds[l.name], speed)
				if l.name == "supd" {
					found = found.plus(bad)
				}
			}
		}
		b.addCapture(a, speeds, found)
	}
	return nil
}

func (b *bench) addCapture(a amount, speeds map[string][]float64, bad damage) {
	supd := median(speeds["supd"])
	for _, other := range []string{"supervisord", "cat"} {
		if len(speeds[other]) == 0 {
			continue
		}
		goal, note := "≥ 1", " with rotation"
		if other == "cat" {
			goal, note = "-", " >file"
		}
		b.add(row{"output captured, " + a.name + " writes, with rotation", fmt.Sprintf("%.0f MB/s", supd),
			fmt.Sprintf("%.0f MB/s %s", median(speeds[other]), other+note), ratio(supd, median(speeds[other])), goal})
	}
	b.add(row{"  lines lost, torn, or cut in two at a rotation", bad.String(), "", "", "0, 0, 0"})
}

func (b *bench) captureOnce(ctx context.Context, l logger, a amount) (megabytes float64, bad damage, err error) {
	f, err := b.newFifo("times")
	if err != nil {
		return 0, bad, err
	}
	defer f.close()
	dir, err := os.MkdirTemp(b.dir, "capture-")
	if err != nil {
		return 0, bad, err
	}
	defer os.RemoveAll(dir)
	p, err := l.start(b, dir, []string{b.program("writer"), strconv.Itoa(a.size), strconv.Itoa(a.lines), f.path})
	if err != nil {
		return 0, bad, err
	}
	defer func() {
		if e := p.stop(); err == nil {
			err = e
		}
	}()
	times, err := f.read(ctx, 1)
	if err != nil {
		return 0, bad, err
	}
	wrote := time.Duration(times[0].pid) // the writer's first number is a time as well
	arrived, err := untilSize(ctx, dir, int64(a.lines*lineLength))
	if err != nil {
		return 0, bad, err
	}
	arrived = max(arrived, times[0].at)
	bad, err = inspect(dir, a.lines)
	return float64(a.lines*lineLength) / 1e6 / (arrived - wrote).Seconds(), bad, err
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

// inspect looks for each of the numbered lines.
func inspect(dir string, lines int) (bad damage, err error) {
	seen := make([]bool, lines)
	for _, name := range logFiles(dir) {
		text, err := os.ReadFile(name)
		if err != nil {
			return bad, err
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			bad.cut++
		}
		for line := range bytes.Lines(text) {
			number, ok := numberOf(line)
			if !ok || number >= lines || seen[number] {
				bad.torn++
				continue
			}
			seen[number] = true
		}
	}
	for _, s := range seen {
		if !s {
			bad.lost++
		}
	}
	return bad, nil
}

func numberOf(line []byte) (int, bool) {
	if len(line) != lineLength || line[10] != ' ' {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[:10]))
	return n, err == nil && bytes.Count(line, []byte("x")) == lineLength-12
}

func captureSupd(b *bench, dir string, argv []string) (*process, error) {
	d, err := b.supd(fmt.Sprintf(`
[process.writer]
command = %s
restart = "never"
log     = { file = "%s/out.log", max_size = "%dMiB", keep = %d }
`, list(argv), dir, rotateAt>>20, keepRotated))
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
func captureCat(b *bench, dir string, argv []string) (*process, error) {
	return b.start("bash", "-c", fmt.Sprintf("exec %s > >(exec cat >%s/out.log)", strings.Join(argv, " "), dir))
}

func captureSupervisord(b *bench, dir string, argv []string) (*process, error) {
	conf := filepath.Join(dir, "supervisord.conf")
	text := fmt.Sprintf(`[supervisord]
nodaemon = true
logfile = %s/supervisord.log
pidfile = %s/supervisord.pid
[program:writer]
command = %s
autorestart = false
startsecs = 0
stdout_logfile = %s/out.log
stdout_logfile_maxbytes = %dMB
stdout_logfile_backups = %d
`, dir, dir, strings.Join(argv, " "), dir, rotateAt>>20, keepRotated)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return b.start("supervisord", "-c", conf)
}
