package configs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gunicorn's own time for a graceful stop, and what it needs beyond it to kill
// its workers and leave.
const (
	gunicornGraceful = 30 * time.Second
	gunicornMargin   = 5 * time.Second
)

// gunicornDirty is a line of its configuration file, which is Python.
var gunicornDirty = regexp.MustCompile(`(?m)^dirty_workers\s*=\s*(\d+)`)

func (t *trap) gunicorn() {
	t.gunicornOptions("command", t.args)
	all := t.args
	if more, err := Split(t.env["GUNICORN_CMD_ARGS"]); err == nil {
		t.gunicornOptions(t.envKey("GUNICORN_CMD_ARGS"), more)
		all = append(more, t.args...) // the command line wins
	}
	t.gunicornFile(all)
	t.gunicornStop(all)
	t.gunicornReady(all)
	t.gunicornStatsd(all)
	t.gunicornDirty(all)
}

// gunicornDirty knows that from 25.0 on gunicorn has the pid of the arbiter of its dirty
// workers in a file of TMPDIR that is named for the application, unless --name says
// otherwise, and that a master which finds one there kills that process as a leftover.
func (t *trap) gunicornDirty(args []string) {
	workers := append(values(args, "--dirty-workers"), lastOf(gunicornDirty, t.gunicornText(args)))
	asked := slices.ContainsFunc(workers, func(n string) bool { return strings.Trim(n, "0") != "" })
	if !asked && !has(args, "--dirty-app") {
		return
	}
	name := strings.Join(append(values(args, "--name", "-n"), t.env["TMPDIR"]), " ")
	if !strings.Contains(name, "{generation") || t.process.Count > 1 && !strings.Contains(name, "{slot") {
		t.warn("command", "each gunicorn with dirty workers kills those of another one with the same name, so that a new worker kills the old one's at their work; write --name {app}-{process}-{slot}-{generation}")
	}
}

// gunicornStatsd knows that gunicorn reads no STATSD_ variable. A file of its own may
// set statsd_host.
func (t *trap) gunicornStatsd(args []string) {
	if t.process.Statsd && !has(args, "--statsd-host") && !has(args, "--config", "-c") {
		t.warn("statsd", "gunicorn says nothing without --statsd-host {statsd}: there are no figures of requests, and max_error_rate decides nothing; add it to the command")
	}
}

// gunicornOptions looks at the options that are wrong by themselves.
func (t *trap) gunicornOptions(key string, args []string) {
	for _, bind := range values(args, "--bind", "-b") {
		switch {
		case strings.HasPrefix(bind, "fd://") || strings.HasPrefix(bind, "unix:"):
			t.warn(key, "with --bind %s gunicorn removes the socket's path when it ends, also when a new version failed to start; remove it: gunicorn serves on the inherited sockets by itself", scheme(bind))
		case len(t.process.Sockets) > 0:
			t.warn(key, "--bind is ignored in favour of the inherited sockets; remove it")
		default:
			t.warn(key, "with --bind gunicorn binds its own address, which a new worker cannot until the old one has gone; write a [socket.NAME] and sockets = [\"NAME\"]")
		}
	}
	if has(args, "--daemon", "-D") {
		t.warn(key, "with --daemon gunicorn leaves supd, which takes that for an exit; remove it")
	}
	if has(args, "--pid", "-p") {
		t.warn(key, "with --pid a new worker does not start while the old one has the file; remove it: supctl pid tells the pid")
	}
	if has(args, "--reuse-port") {
		t.warn(key, "with --reuse-port the connections waiting in a worker's own queue are reset when it stops; use sockets instead")
	}
}

func scheme(bind string) string {
	if strings.HasPrefix(bind, "fd://") {
		return "fd://"
	}
	return "unix:"
}

func (t *trap) gunicornStop(args []string) {
	graceful := gunicornGraceful
	if given := values(args, "--graceful-timeout"); len(given) > 0 {
		n, err := strconv.Atoi(given[len(given)-1])
		if err != nil {
			return // gunicorn will say so
		}
		graceful = time.Duration(n) * time.Second
	}
	if want := graceful + gunicornMargin; t.firstWait() < want {
		t.warn("stop", `gunicorn lets requests finish for %s (--graceful-timeout), and would be killed after %s: write stop = [["TERM", "%s"]], or a shorter --graceful-timeout`, graceful, t.firstWait(), want)
	}
}

// gunicornReady knows that gunicorn says READY=1, and accepts connections, before
// the application is imported; --preload imports it before.
func (t *trap) gunicornReady(args []string) {
	r := t.process.Ready
	honest := r.HTTP != "" || r.Exec != nil || r.Log != "" || r.Notify && has(args, "--preload")
	if !honest {
		t.warn("ready", `gunicorn is there before the application is imported, so that this says nothing of the application; write ready = { http = "/…" }`)
	}
}
