package configs

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// celeryPatience is the least that a warm shutdown should have: TERM lets the
// running tasks finish, and the ones that are already handed to the pool.
const celeryPatience = time.Minute

func (t *trap) celery() {
	switch {
	case slices.Contains(t.args, "multi"):
		t.warn("command", "celery multi starts workers in the background and ends, which supd takes for an exit; write celery worker, and count")
	case slices.Contains(t.args, "worker"):
		t.celeryWorker()
	case slices.Contains(t.args, "beat"):
		t.celeryBeat()
	}
}

func (t *trap) celeryWorker() {
	t.celeryDetached()
	if has(t.args, "-B", "--beat") {
		t.warn("command", "-B runs a scheduler in every worker, and each sends every task; give celery beat a process of its own with count = 1")
	}
	names := values(t.args, "-n", "--hostname")
	switch node := strings.Join(names, " "); {
	case !strings.Contains(node, "{generation"):
		t.warn("command", "while workers are replaced two have the same node name, and each gets the other's commands; write -n {process}{slot}-{generation}@%%h")
	case t.process.Count > 1 && !strings.Contains(node, "{slot"):
		t.warn("command", "all %d workers have the same node name; write -n {process}{slot}-{generation}@%%h", t.process.Count)
	}
	if has(t.args, "-B", "--beat") {
		t.scheduler()
	}
	if t.firstWait() < celeryPatience {
		t.warn("stop", `tasks that run longer than %s are killed at each restart; wait as long as a task may take: stop = [["TERM", "10m"], ["QUIT", "10s"]]`, t.firstWait())
	}
	t.celeryReady()
	if _, set := t.env["REMAP_SIGTERM"]; set {
		t.warn(t.envKey("REMAP_SIGTERM"), "REMAP_SIGTERM makes TERM a cold shutdown that gives running tasks up; remove it")
	}
}

func (t *trap) celeryBeat() {
	t.celeryDetached()
	t.scheduler()
	if t.process.Count > 1 {
		t.warn("count", "each of %d schedulers sends every task; write count = 1", t.process.Count)
	}
}

// scheduler must not run twice, not even while workers are replaced.
func (t *trap) scheduler() {
	if t.app.StrategyOf(t.process) != StrategyReplace {
		t.warn("command", `the old and the new scheduler run side by side while workers are replaced, and both send each task; write strategy = "replace" for this process`)
	}
}

func (t *trap) celeryDetached() {
	if has(t.args, "--detach", "-D") {
		t.warn("command", "with --detach celery leaves supd, which takes that for an exit; remove it")
	}
	for _, file := range values(t.args, "--pidfile") {
		if file != "" { // --pidfile= is how to have none
			t.warn("command", "with --pidfile a new worker does not start while the old one has the file; remove it: supctl pid tells the pid")
		}
	}
}

// What a celery worker prints: the line that it is ready is of the level INFO, below
// its default WARNING. The banner it prints at any level.
const (
	celeryReadyLine = "[2026-01-02 03:04:05,678: INFO/MainProcess] celery@host ready."
	celeryBanner    = " -------------- celery@host v5.5.3 (immunity)"
)

// celeryReady finds a ready.log that waits for a line which never comes.
func (t *trap) celeryReady() {
	wanted, err := regexp.Compile(t.process.Ready.Log)
	if t.process.Ready.Log == "" || err != nil || !wanted.MatchString(celeryReadyLine) || wanted.MatchString(celeryBanner) {
		return
	}
	levels := values(t.args, "-l", "--loglevel")
	loud := len(levels) > 0 && slices.Contains([]string{"info", "debug", "20", "10"}, strings.ToLower(levels[len(levels)-1]))
	switch {
	case !loud:
		t.warn("ready.log", "celery says that it is ready at the level INFO, and shows WARNING and above: each worker would be killed at its ready timeout; add -l info to the command")
	case has(t.args, "-f", "--logfile"):
		t.warn("ready.log", "with --logfile celery says that it is ready in a file of its own, and not to supd; remove it")
	}
}
