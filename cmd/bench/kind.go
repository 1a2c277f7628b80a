package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// shape is how a number of workers is written down.
type shape string

// The shapes.
const (
	ofTheirOwn shape = "processes of their own"
	oneCount   shape = "workers of one process"
)

// descriptors is how many supd has open for a worker: those of the process and of its
// output, and the log where it is not shared.
func (s shape) descriptors() int {
	if s == oneCount {
		return 2
	}
	return 3
}

// ownDescriptors is more than supd has for itself, and while it launches.
const ownDescriptors = 200

// mostInFile is how many processes one app file can have, and some.
const mostInFile = 4000

// apps are app files, by name, with workers that report to f. They count as ready at
// once, and are replaced at once when they die, as long-lived workers are.
func (s shape) apps(child string, f *fifo, count int) map[string]string {
	if s == oneCount {
		return map[string]string{"bench": app(child, f, count)}
	}
	all := map[string]string{}
	for i := range count {
		name := fmt.Sprintf("bench%d", i/mostInFile)
		all[name] += strings.Replace(app(child, f, 1), "process.child", fmt.Sprintf("process.child%d", i), 1)
	}
	return all
}

// app has a process whose workers report to f.
func app(child string, f *fifo, count int) string {
	return fmt.Sprintf(`
[process.child]
command = ["%s", "%s"]
count   = %d
ready   = { uptime = "1ms" }
backoff = { reset = "1ms" }
`, child, f.path, count)
}

// kind is a supervisor of children that report.
type kind struct {
	name  string
	slow  bool // it is asked for a thousand at most, and once
	start func(b *bench, f *fifo, s shape, count int) (*daemon, error)
}

var (
	limitKind   = kind{"C limit", false, limitWith()}
	droppedKind = kind{"with the drop", false, limitWith("-d")}
	supdKind    = kind{"supd", false, func(b *bench, f *fifo, s shape, count int) (*daemon, error) {
		return b.supds(s.apps(b.program("child"), f, count))
	}}
	supervisordKind = kind{"supervisord", true, startSupervisord}
)

// kinds are those that can be had here; the first is what the others are compared with.
func kinds() []kind {
	all := []kind{limitKind}
	if os.Geteuid() == 0 {
		all = append(all, droppedKind)
	}
	if _, err := exec.LookPath("supervisord"); err == nil {
		all = append(all, supervisordKind)
	}
	return append(all, supdKind)
}

func limitWith(options ...string) func(*bench, *fifo, shape, int) (*daemon, error) {
	return func(b *bench, f *fifo, _ shape, count int) (*daemon, error) {
		p, err := b.start(b.program("limit"), append(options, strconv.Itoa(count), b.program("child"), f.path)...)
		return &daemon{process: p, b: b}, err
	}
}

// startSupervisord runs the children as nobody, where root measures, with a log of
// their own each, as supd does.
func startSupervisord(b *bench, f *fifo, s shape, count int) (*daemon, error) {
	dir, err := os.MkdirTemp(b.dir, "supervisord-")
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "[supervisord]\nnodaemon = true\nminfds = %d\nlogfile = %[2]s/supervisord.log\npidfile = %[2]s/supervisord.pid\n", 8*count+1024, dir)
	program := func(name string, copies int) {
		fmt.Fprintf(&text, "[program:%s]\ncommand = %s %s\nprocess_name = %%(program_name)s_%%(process_num)d\nnumprocs = %d\nstartsecs = 0\nautorestart = true\nredirect_stderr = true\nstdout_logfile = %s/%[1]s_%%(process_num)d.log\n",
			name, b.program("child"), f.path, copies, dir)
		if os.Geteuid() == 0 {
			text.WriteString("user = nobody\n")
		}
	}
	if s == oneCount {
		program("child", count)
	} else {
		for i := range count {
			program("child"+strconv.Itoa(i), 1)
		}
	}
	conf := filepath.Join(dir, "supervisord.conf")
	if err := os.WriteFile(conf, []byte(text.String()), 0o644); err != nil {
		return nil, err
	}
	p, err := b.start("supervisord", "-c", conf)
	return &daemon{process: p, b: b, dir: dir}, err
}

// with runs do while count children of k run, all of which have reported, and stops
// them then unless do has.
func (b *bench) with(ctx context.Context, k kind, s shape, count int, do func(p *process, f *fifo, started []record) error) error {
	return b.withDaemon(ctx, k, s, count, func(d *daemon, f *fifo, started []record) error { return do(d.process, f, started) })
}

func (b *bench) withDaemon(ctx context.Context, k kind, s shape, count int, do func(d *daemon, f *fifo, started []record) error) (err error) {
	f, err := b.newFifo("fifo")
	if err != nil {
		return err
	}
	defer f.close()
	d, err := k.start(b, f, s, count)
	if err != nil {
		return err
	}
	defer func() {
		if e := d.stop(); err == nil {
			err = e
		}
		os.RemoveAll(d.dir) // the logs of thousands
	}()
	records, err := f.read(ctx, count)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", k.name, err, d.lastWords())
	}
	return do(d, f, records)
}
