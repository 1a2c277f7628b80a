package convert

import (
	"fmt"
	"slices"
	"strings"

	"supd/configs"
)

// restart says when it is started, when it counts as started, and what follows an end.
func (p *program) restart(d *process) {
	if !p.boolean("autostart", true) && !p.dependent() {
		d.set("autostart", "false")
	}
	again, seconds, retries := p.again(), p.integer("startsecs", 1), p.integer("startretries", 3)
	if p.killer.hearsExits() && again != "never" {
		again = "never"
		p.differs(nil, "its end ended supervisord, by an event listener: restart = \"never\", and exit_on; an end with success does not end supd")
	}
	if again != "always" {
		d.set("restart", quote(again))
	}
	p.successes(d)
	p.started(d, again, seconds, retries)
}

// again is what restart says.
func (p *program) again() string {
	value, o := p.get("autorestart")
	yes, ok := truth(value)
	switch {
	case o == nil || strings.EqualFold(value, "unexpected"):
		return "on-failure"
	case !ok:
		p.errors.add(o.place, "autorestart: %q is none of true, false and unexpected", value)
		return "never"
	case yes:
		return "always"
	}
	return "never"
}

func (p *program) successes(d *process) {
	value, o := p.get("exitcodes")
	if o == nil {
		return
	}
	codes := []string{}
	if value == "" {
		d.set("success_exit", "[]")
		return
	}
	for _, code := range strings.Split(value, ",") {
		n, ok := integer(code)
		if !ok || n < 0 || n > 255 {
			p.errors.add(o.place, "exitcodes: %q is no exit code", code)
			return
		}
		if !slices.Contains(codes, itoa(n)) {
			codes = append(codes, itoa(n))
		}
	}
	if len(codes) != 1 || codes[0] != "0" {
		d.set("success_exit", "["+strings.Join(codes, ", ")+"]")
	}
}

// started says how startsecs and startretries are told here. Of a worker that was ready
// no end counts as a failed start, as there: reset is "0s".
func (p *program) started(d *process, again string, seconds, retries int) {
	switch {
	case p.isOneShot():
		d.set("ready", inline(pair{"exit", "true"}, pair{"timeout", quote("1h")}))
		p.note(Converted, p.option("startsecs"), "startsecs=0 with autorestart=false is a one-off: it is ready when it has ended with success")
		return
	case again == "never":
		if seconds > 0 && retries > 0 {
			p.differs(p.option("autorestart"), "an end within startsecs is final: supervisord started it again, up to startretries times")
		}
		if seconds > 1 {
			d.set("ready", uptime(seconds))
		}
		return
	case seconds <= 0:
		d.set("backoff", inline(pair{"initial", quote("1s")}, pair{"max", quote("1s")}))
		return
	}
	if seconds > 1 {
		d.set("ready", uptime(seconds))
	}
	if again == "on-failure" {
		p.differs(p.option("autorestart"), "an end with success within startsecs is final: supervisord took it for a failed start")
	}
	if retries < 0 {
		retries = 0
	}
	d.set("give_up_after", itoa(retries+1))
	d.set("backoff", inline(pair{"initial", quote("1s")}, pair{"reset", quote("0s")}))
}

// uptime is ready after so many seconds, with a timeout that leaves room for it.
func uptime(n int) string {
	pairs := []pair{{"uptime", seconds(n)}}
	if n >= 30 {
		pairs = append(pairs, pair{"timeout", seconds(2 * n)})
	}
	return inline(pairs...)
}

// isOneShot reports whether it is meant to end.
func (p *program) isOneShot() bool {
	return p.integer("startsecs", 1) <= 0 && p.again() == "never"
}

func (p *program) stop(d *process) {
	value, o := p.get("stopsignal")
	if o == nil {
		value = "TERM"
	}
	sig, err := configs.ParseSignal(strings.TrimFunc(value, isSpace))
	if err != nil {
		p.errors.add(o.place, "stopsignal: %s", err)
	}
	wait := p.integer("stopwaitsecs", 10)
	if wait <= 0 {
		wait = 1
	}
	name := strings.TrimPrefix(configs.SignalName(sig), "SIG")
	group, kill := p.boolean("stopasgroup", false), p.boolean("killasgroup", true)
	if group && !kill {
		p.errors.add(p.option("killasgroup").place, "stopasgroup=true with killasgroup=false, which supervisord refuses")
	}
	if name == "KILL" {
		wait = 1
	}
	step := fmt.Sprintf("[%s, %s", quote(name), seconds(wait))
	if group {
		step += ", " + quote("group")
	}
	d.set("stop", "["+step+"]]")
}
