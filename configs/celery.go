package configs

import (
	"regexp"
	"slices"
	"strings"
)

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
