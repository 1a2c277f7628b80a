package configs

import (
	"regexp"
	"slices"
	"strings"
)

// Lines of gunicorn's configuration file, which is Python.
var (
	gunicornDaemon = regexp.MustCompile(`(?m)^daemon\s*=\s*(True|False|1|0)`)
	gunicornDirty  = regexp.MustCompile(`(?m)^dirty_workers\s*=\s*(\d+)`)
)

// gunicornDaemon looks at the one thing in there that no other setting can make good.
func (t *trap) gunicornDaemon(args []string) {
	if said := lastOf(gunicornDaemon, t.gunicornText(args)); said == "True" || said == "1" {
		t.leaves("with daemon = True in "+gunicornConfig(args), "remove it")
	}
}

// gunicornConfig is the path of its configuration file.
func gunicornConfig(args []string) string {
	file := "gunicorn.conf.py"
	for _, path := range values(args, "-c", "--config") {
		file = strings.TrimPrefix(path, "file:")
	}
	return file
}

func (t *trap) gunicornText(args []string) string {
	text, _ := t.file(gunicornConfig(args), t.process.Directory)
	return text
}

// gunicornDirty knows that from 25.0 on gunicorn has the pid of the arbiter of its dirty
// workers in a file of TMPDIR that is named for the application, unless --name says
// otherwise, and that a master which finds one there kills that process as a leftover.
func (t *trap) gunicornDirty() {
	to := t.facts()
	args := to.all()
	workers := append(values(args, "--dirty-workers"), lastOf(gunicornDirty, t.gunicornText(args)))
	asked := slices.ContainsFunc(workers, func(n string) bool { return strings.Trim(n, "0") != "" })
	if !asked && !has(args, "--dirty-app") || slices.Contains(t.process.Scratch, "TMPDIR") {
		return
	}
	name := strings.Join(append(values(args, "--name", "-n"), t.env["TMPDIR"]), " ")
	if to.isShared(name) {
		t.warn("command", "each gunicorn with dirty workers kills those of another one with the same name, so that a new worker kills the old one's at their work; write scratch = [\"TMPDIR\"]")
	}
}
