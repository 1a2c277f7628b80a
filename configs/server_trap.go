package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"supd/privdrop"
)

// known warns of what the table knows of the server.
func (t *trap) known() {
	if s := t.process.Server; s != "" && t.server != nil && t.server.Name != s {
		t.warn("server", "the command starts %s: write %q, or remove it", t.server.Title, t.server.Name)
	}
	s := t.server
	if s == nil {
		return
	}
	to := t.facts()
	for _, trap := range s.Traps {
		if found := trap.settings(s, to); trap.Alone && len(found) > 0 {
			t.say(trap, found)
			return
		}
	}
	for _, trap := range s.Traps {
		t.say(trap, trap.settings(s, to))
	}
	t.stops(to)
	t.takes(to)
}

// facts are what the server is told; that of uWSGI's files too.
func (t *trap) facts() *facts {
	to := &facts{args: t.args, env: t.env, envKey: t.envKey, process: t.process, app: t.app, version: t.installed}
	if name := t.server.Arguments; name != "" {
		to.moreKey = t.envKey(name)
		to.more, _ = Split(t.env[name])
	}
	if t.server.is("uwsgi") {
		to.args, to.partial = t.uwsgiArguments()
	}
	return to
}

// say blames each setting.
func (t *trap) say(trap knownTrap, settings []setting) {
	if trap.Fact && t.process.Server != "" {
		return
	}
	for _, found := range settings {
		key := trap.Key
		if key == "" {
			key = found.key
		}
		if key == "" {
			key = "command"
		}
		text := t.words(trap.Says, found.match)
		if trap.Cured {
			text += t.cure()
		}
		if trap.Fact {
			text += fmt.Sprintf("; server = %q says that you know", t.server.Name)
		}
		t.warn(key, "%s", text)
	}
}

// words fills in what a text of the table leaves open.
func (t *trap) words(text, match string) string {
	socket := braced("socket.NAME")
	if len(t.process.Sockets) > 0 {
		socket = braced("socket." + t.process.Sockets[0])
	}
	return strings.NewReplacer("$match", match, "$socket", socket, "$wait", t.firstWait().String(), "$count", strconv.Itoa(t.process.Count)).Replace(text)
}

// cure names the line that does without the one of a warning, if it is not there.
func (t *trap) cure() string {
	if t.process.Server != "" {
		return ""
	}
	return fmt.Sprintf(", or server = %q, which does that", t.server.Name)
}

// stops is about the steps of stop.
func (t *trap) stops(to *facts) {
	s, steps := t.server, t.process.Stop
	m := s.Stop
	if len(steps) == 0 {
		return
	}
	if first := steps[0].Signal; !slices.Contains(m.Signals, first) {
		t.warn("stop", "%s; write stop = %s%s", m.Other, m.Steps.written(), t.cure())
	} else {
		t.waits(to)
	}
	gentle := 0
	for _, step := range steps {
		if slices.Contains(m.Signals, step.Signal) {
			gentle++
		}
	}
	if m.Twice != "" && gentle > 1 {
		t.warn("stop", "%s", m.Twice)
	}
	if m.Children && t.stopsGroup() {
		t.warn("stop", `with "group" the processes that run the %s get the signal as well, which ends them in the middle; remove the word: %s tells them itself`, s.Work, s.Title)
	}
}

// waits is about how long the first step has.
func (t *trap) waits(to *facts) {
	s, m := t.server, t.server.Stop
	if t.firstWait() < m.Least {
		t.warn("stop", `%s that run longer than %s are killed at each restart; wait as long as one may take: stop = %s`, s.Work, t.firstWait(), m.Steps.written())
		return
	}
	graceful, known := m.graceful(to)
	if want := graceful + m.Margin; known && t.firstWait() < want {
		name := privdrop.SignalName(m.Signals[0])
		t.warn("stop", `%s lets %s finish for %s (%s), and would be killed after %s: write stop = [[%q, %q]], or a shorter %[4]s%[8]s`,
			s.Title, s.Work, graceful, m.Option, t.firstWait(), strings.TrimPrefix(name, "SIG"), want.String(), t.cure())
	}
}

// graceful is how long the server lets its work go on, where that is limited and known.
func (m manners) graceful(to *facts) (time.Duration, bool) {
	if m.Option == "" {
		return 0, false
	}
	given := values(to.all(), m.Option)
	if len(given) == 0 {
		return m.Default, m.Default > 0 && !to.partial
	}
	n, err := strconv.ParseFloat(given[len(given)-1], 64)
	if err != nil || n < 0 || n > float64(1<<40) {
		return 0, false // the server will say so
	}
	return time.Duration(n * float64(m.Unit)), true
}

// takes is about the sockets, and the worker's own that a question comes in on.
func (t *trap) takes(to *facts) {
	s, p := t.server, t.process
	takes := s.Sockets
	if len(p.Sockets) > 0 && takes.misses(to) {
		t.warn("command", "%s", t.words(takes.Says, ""))
	}
	for key, q := range map[string]Question{"ready": p.Ready.Question(), "health": p.Health.Question()} {
		if own := takes.Most == 1 || takes.Take == takeVariable; own && q.Probe() && len(p.Sockets) > 0 {
			t.warn(key, "%s does not serve on the worker's own socket, which the question comes in on; add socket = %q", s.Title, p.Sockets[0])
		}
	}
}

// misses reports whether the server is not told of the sockets.
func (takes taking) misses(to *facts) bool {
	switch takes.Take {
	case takeOption:
		return !to.partial && !has(to.all(), takes.Option...)
	case takeVariable:
		_, set := to.env[takes.Name]
		return !set
	case takeNone:
		return true
	}
	return false
}
