// Supd binds sockets, starts the workers of the configured applications under
// their own users with every privilege dropped, and keeps them running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/metrics"
	"supd/privdrop/prose"
	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

var version = "dev" // set by the Makefile

// Exit codes, those of supctl.
const (
	exitFailed  = api.CodeFailed
	exitUsage   = api.CodeUsage
	exitInvalid = api.CodeInvalid
)

// main waits in the first thread, and nothing else runs there: the kernel gives it the
// signals that are for the process, and a thread that waits for a disk which does not
// answer would keep TERM away.
func main() {
	if len(os.Args) == 2 && os.Args[1] == holdSockets {
		io.Copy(io.Discard, os.Stdin)
		return
	}
	runtime.LockOSThread()
	code := make(chan int)
	go func() { code <- run(os.Args[1:], os.Stdout, os.Stderr) }()
	os.Exit(<-code)
}

// options are the command line.
type options struct {
	begun   chan struct{} // closed when the workers are supervised; nil where none are to be
	config  string
	pidfile string
	ready   readyFd
	check   bool
	files   bool // only the files are checked
	version bool
	takes   string // supd is asked whether it could take over, and says this word if it could
}

// loading says how the configuration is read: a start leaves out what is invalid, and
// whoever asks before it hears of everything.
func (o options) loading() []configs.Option {
	switch {
	case o.check:
		return []configs.Option{configs.ForCheck()}
	case o.files || o.takes != "":
		return nil
	}
	return []configs.Option{configs.LeaveOut()}
}

// run says what it has to say in prose: it comes from the files of apps' users, too.
func run(args []string, stdout, stderr io.Writer) int {
	stdout, stderr = prose.Writer{To: stdout}, prose.Writer{To: stderr}
	o, code := parse(args, stderr)
	switch {
	case code >= 0:
		return code
	case o.version:
		if _, err := fmt.Fprintln(stdout, "supd", version); err != nil {
			fmt.Fprintln(stderr, "supd: the output is lost:", err)
			return exitFailed
		}
		return 0
	}
	stop := context.Background()
	if !o.check && !o.files && o.takes == "" { // from the beginning: there may be workers of an earlier supd to stop
		var cancel func()
		stop, cancel = signal.NotifyContext(stop, unix.SIGTERM, unix.SIGINT)
		defer cancel()
		o.begun = make(chan struct{})
		go giveUp(stop, o.begun)
	}
	config, err := configs.Load(o.config, o.loading()...)
	if err != nil {
		fmt.Fprintln(stderr, err)
		o.failed(err)
		return exitInvalid
	}
	if o.files {
		return 0
	}
	if o.check {
		if err := checkPidfile(o.pidfile, 0); err != nil {
			fmt.Fprintln(stderr, err)
			return max(exitInvalid, control.Check(config, true, io.Discard, stderr))
		}
		return control.Check(config, true, stdout, stderr)
	}
	if o.takes != "" {
		if err := checkTakeover(config, o, stdout); err != nil {
			fmt.Fprintln(stderr, err)
			return exitFailed
		}
		return 0
	}
	if err := serve(stop, config, o); err != nil {
		fmt.Fprintln(stderr, "supd:", err)
		o.failed(err)
		return exitFailed
	}
	return 0
}

// failed tells who waits for supd to be ready that it will not be.
func (o options) failed(err error) {
	if o.begun == nil {
		return // it was only asked
	}
	select {
	case <-o.begun: // it was ready
	default:
		startedBy(slog.New(slog.DiscardHandler)).failed(err)
	}
}

// startTime is how long a start may go on that was told to stop.
const startTime = 10 * time.Second

// giveUp ends this process where it is told to stop and does not come to begin, since a
// disk does not answer, perhaps. Workers of an earlier supd go on then.
func giveUp(stop context.Context, begun <-chan struct{}) {
	select {
	case <-begun:
		return
	case <-stop.Done():
	}
	select {
	case <-begun:
	case <-time.After(startTime):
		go fmt.Fprintln(os.Stderr, "supd: told to stop, and the start does not come to its end: a disk or directory service does not answer") // nor may who reads this
		time.Sleep(100 * time.Millisecond)
		os.Exit(exitFailed)
	}
}

// parse gives an exit code, which is below 0 if supd is to go on.
func parse(args []string, stderr io.Writer) (o options, code int) {
	flags := flag.NewFlagSet("supd", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config := configs.DefaultPath
	if env := os.Getenv("SUPD_CONFIG"); env != "" {
		config = env
	}
	flags.StringVar(&o.config, "config", config, "configuration `file` (environment SUPD_CONFIG)")
	flags.StringVar(&o.pidfile, "pidfile", "", "write the process id to this `file`")
	flags.Var(&o.ready, "ready-fd", "write a newline to this `descriptor` when ready, as s6 wants it")
	flags.BoolVar(&o.check, "check", false, "report whether the configuration is valid, and start nothing")
	flags.BoolVar(&o.files, "check-files", false, "report whether the files of the configuration are valid, whatever this machine lacks, and start nothing")
	flags.StringVar(&o.takes, "check-takeover", "", "report whether this program could go on in the place of the supd that has started it, with this `word` in the answer, and start nothing")
	flags.BoolVar(&o.version, "version", false, "print the version")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, 0
	case err != nil:
		return o, exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "supd: unexpected argument %q\n", flags.Arg(0))
		return o, exitUsage
	}
	if err := o.absolute(); err != nil {
		fmt.Fprintln(stderr, "supd:", err)
		return o, exitUsage
	}
	return o, -1
}

// absolute makes paths independent of the directory that supd was started in, which may be
// gone by the time of a reexec.
func (o *options) absolute() error {
	for _, path := range []*string{&o.config, &o.pidfile} {
		if *path == "" {
			continue
		}
		whole, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("%s: %w; give an absolute path", *path, err)
		}
		*path = whole
	}
	return nil
}

// warnTime is how long a start waits for the warnings: they look at files of apps, whose
// disks may not answer.
const warnTime = 2 * time.Second

// warn warns of what the configuration says. What takes long comes later.
func warn(config *configs.Config, log *slog.Logger) {
	warned := make(chan struct{})
	go func() {
		defer close(warned)
		for _, w := range config.Traps() {
			log.Warn("configuration", "warning", w.String())
		}
	}()
	select {
	case <-warned:
	case <-time.After(warnTime):
	}
}

// serve runs until stop is done, by SIGTERM or SIGINT, or until `supctl shutdown`
// or exit_on ends supd.
func serve(stop context.Context, config *configs.Config, o options) error {
	lines := newLogWriter(os.Stderr)
	defer lines.flush()
	log := slog.New(logHandler(lines))
	given := inherited(log) // before environ, which it changes: a supd that replaces this one gets its sockets in another way
	environ := os.Environ()
	program, err := startPath()
	if err != nil {
		log.Error("the path of this program is not known", "error", err)
	}
	started := startedBy(log)
	orders := make(chan os.Signal, 4)
	signal.Notify(orders, unix.SIGHUP, unix.SIGUSR1)
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE) // a closed standard error is no reason to die
	unix.Umask(0o022)                                    // whatever it was when supd was started
	warn(config, log)
	config.Daemon.Runtime.MakeTop()
	listener, err := control.Open(config.Control, log)
	if err != nil {
		return err
	}
	defer listener.Close()
	scraped, err := openMetrics(config.Metrics, log)
	if err != nil && !supervisor.TookPlace(config) { // else it is tried again
		return err
	}
	s, err := supervisor.New(config, log, given...)
	if err != nil {
		return err
	}
	if store := openStore(started); store != nil {
		store.keep(s)
	}
	remove, err := keepPidfile(o.pidfile, config, log)
	if err != nil {
		return err
	}
	defer remove()
	answers := metrics.NewServer(s, metrics.Options{Version: version, Log: log, ProportionalMemory: config.Metrics.ProportionalMemory, DroppedLines: lines.droppedLines})
	defer answers.Close()
	server := control.NewServer(s, control.Options{Version: version, Log: log, Figures: answers,
		OwnLog: openOwnLog,
		Where:  &control.Where{Config: config.Path, State: config.Daemon.State, Apps: config.Daemon.Apps, DropIns: config.Daemon.DropIns},
		Reexec: &replacement{s, config, o, program, environ, orders, stop, lines.flush}})
	go server.Serve(listener)
	go scraped.serve(answers)
	endPushes, err := push(answers, config.Metrics.Push, log)
	if err != nil {
		return err
	}
	defer endPushes()
	close(o.begun)
	supervise(stop, s, config, started, orders, o.ready)
	quit, end := context.WithTimeout(context.Background(), 5*time.Second)
	defer end()
	server.Shutdown(quit) // answers the request for the shutdown
	return s.Err()
}

// supervise runs the workers, and turns signals and changed files into new
// configurations. What reads files is done in goroutines of its own: whatever those
// wait for, supd obeys when it is told to stop.
func supervise(stop context.Context, s *supervisor.Supervisor, config *configs.Config, started systemd, orders <-chan os.Signal, ready readyFd) {
	log := started.log
	reloads, changes, reopens := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	if config.Daemon.Watch {
		if err := configs.Watch(stop, config, func() { poke(changes) }); err != nil {
			log.Error("cannot watch the configuration", "error", err)
		}
	}
	running, end := context.WithCancel(context.Background())
	go func() {
		defer end()
		s.Run(stop)
	}()
	log.Info("supd started", "version", version, "pid", os.Getpid(), "config", config.Path)
	started.ready()
	started.attend(running, s)
	if err := ready.announce(); err != nil {
		log.Error("--ready-fd", "error", err)
	}
	go follow(stop, reloads, func() { reload(stop, s, started, "SIGHUP") })
	go follow(stop, changes, func() { reload(stop, s, started, "daemon.watch") })
	go follow(stop, reopens, func() { reopen(s, log) })
	for {
		select {
		case sig := <-orders:
			poke(map[os.Signal]chan struct{}{unix.SIGHUP: reloads, unix.SIGUSR1: reopens}[sig])
		case <-stop.Done():
			started.stopping(running, s)
			<-running.Done()
			log.Info("supd stopped")
			return
		case <-running.Done():
			log.Info("supd stopped")
			return
		}
	}
}

// follow does what it is poked for, one after the other, until ctx ends.
func follow(ctx context.Context, pokes <-chan struct{}, do func()) {
	for {
		select {
		case <-pokes:
			do()
		case <-ctx.Done():
			return
		}
	}
}

func reopen(s *supervisor.Supervisor, log *slog.Logger) {
	if err := s.Reopen(); err != nil {
		log.Error("cannot reopen log files", "error", err)
		return
	}
	log.Info("log files reopened")
}

// reload applies the files as they are now, or nothing of them.
func reload(stop context.Context, s *supervisor.Supervisor, started systemd, by string) {
	started.reloading()
	defer func() {
		if stop.Err() == nil { // else systemd was told that supd stops
			started.ready()
		}
	}()
	s.Apply(stop, api.Request{Action: api.ActionApply, Detach: true, By: by})
}
