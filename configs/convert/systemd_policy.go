package convert

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"supd/configs"
)

// restart says what follows an end.
func (s *service) restart() {
	value, at := s.get("Restart")
	oneShot := s.kind() == "oneshot"
	switch value {
	case "", "no":
		s.d.set("restart", quote("never"))
	case "always":
		if oneShot {
			s.errors.add(at, "Restart=always with Type=oneshot, which systemd refuses")
		}
	case "on-failure":
		s.d.set("restart", quote("on-failure"))
	case "on-abnormal", "on-abort", "on-watchdog":
		s.d.set("restart", quote("on-failure"))
		s.note(Different, at, "Restart=%s: it is restarted after every failure, also an exit code", value)
	default:
		s.unable(at, "Restart=%s has no counterpart", value)
	}
	if s.d.has("restart") && value != "" && value != "no" {
		s.note(Different, at, "Restart=%s: a worker that somebody kills by HUP, INT, TERM or PIPE is started again; to systemd that was a clean end", value)
	}
	s.successes()
	s.backoff()
}

func (s *service) kind() string {
	kind, _ := s.get("Type")
	if kind == "" {
		return "simple"
	}
	return kind
}

func (s *service) successes() {
	codes := []string{"0"}
	for _, line := range s.every("SuccessExitStatus") {
		for _, word := range strings.Fields(line.value) {
			if n, err := strconv.Atoi(word); err == nil && n >= 0 && n <= 255 {
				codes = append(codes, itoa(n))
			} else {
				s.note(Different, line.place, "SuccessExitStatus=%s: codes are numbers here, and a signal is no success", printable(word))
			}
		}
	}
	if len(codes) > 1 {
		s.d.set("success_exit", "["+strings.Join(slices.Compact(codes), ", ")+"]")
	}
}

func (s *service) backoff() {
	if wait, _, set := s.span("RestartSec"); set && wait > 0 {
		s.d.set("backoff", inline(pair{"initial", duration(wait)}, pair{"max", duration(wait)}))
	}
	for _, section := range []string{"Unit", "Service"} {
		if burst, set := s.last(section + ".StartLimitBurst"); set {
			s.used["StartLimitBurst"] = true
			if n, err := strconv.Atoi(burst.value); err == nil && n > 0 {
				s.d.set("give_up_after", itoa(n))
				s.note(Different, burst.place, "StartLimitBurst: it is FAILED after so many failed starts in a row, however long they take")
				return
			}
		}
	}
	if restart, _ := s.get("Restart"); restart != "" && restart != "no" {
		s.report.add(Converted, "", place{}, "systemd gives up after 5 starts within 10 s; supd goes on, slowly")
	}
}

// duration writes seconds, to the millisecond.
func duration(seconds float64) string {
	return quote((time.Duration(seconds*1000) * time.Millisecond).String())
}

// patience is how many seconds systemd waits: as is said of this alone, or of starts and
// stops, or its default.
func (s *service) patience(name string, otherwise float64) float64 {
	wait := otherwise
	for _, name := range []string{"TimeoutSec", name} {
		span, at, set := s.span(name)
		switch {
		case !set:
		case span == 0 || span >= aDay: // infinity
			wait = aDay
			s.note(Different, at, "%s: a day is waited here, and not for ever", name)
		default:
			wait = span
		}
	}
	return wait
}

const (
	usualWait = 90 // systemd-system.conf(5)
	aDay      = 24 * 3600
)

// readiness is Type=, and how long a start may take.
func (s *service) readiness() {
	_, at := s.get("Type")
	kind, otherwise := s.kind(), float64(usualWait)
	if kind == "oneshot" {
		otherwise = aDay // for ever
	}
	timeout := s.patience("TimeoutStartSec", otherwise)
	switch kind {
	case "simple", "exec", "idle":
	case "notify", "notify-reload":
		s.d.set("ready", inline(pair{"notify", "true"}, pair{"timeout", duration(timeout)}))
		if kind == "notify-reload" {
			s.d.set("reload_signal", quote("HUP"))
		}
	case "oneshot":
		if !s.d.has("restart") {
			s.d.set("restart", quote("never"))
		}
		s.d.set("ready", inline(pair{"exit", "true"}, pair{"timeout", duration(timeout)}))
	case "forking":
		s.unable(at, "Type=forking: the program has to stay in the foreground; take -D, --daemon and the like off, write Type=simple, and remove PIDFile")
	case "dbus":
		s.note(Different, at, "Type=dbus: it is ready after a second, whether its name is on the bus or not")
	default:
		s.errors.add(at, "Type: %q is none of systemd's", kind)
	}
	s.get("PIDFile")
	s.get("RemainAfterExit")
	if wait, _, set := s.span("WatchdogSec"); set && wait > 0 {
		s.d.set("watchdog", duration(wait))
	}
	s.reload()
}

// reload is a signal, or by hand.
func (s *service) reload() {
	all := s.every("ExecReload")
	for _, line := range all {
		if sig := signalOf(line.value); sig != "" && !s.d.has("reload_signal") {
			s.d.set("reload_signal", quote(sig))
			continue
		}
		s.note(ByHand, line.place, "ExecReload=%s: reload_signal is a signal; without it supctl reload replaces the workers", programOf(line.value))
	}
}

// signalOf gives the signal that a command sends to the main process, or "".
func signalOf(line string) string {
	words, err := unitWords(line)
	if err != nil || len(words) < 3 || !strings.HasSuffix(words[0], "kill") || words[len(words)-1] != "$MAINPID" && words[len(words)-1] != "${MAINPID}" {
		return ""
	}
	name := strings.TrimPrefix(strings.TrimPrefix(strings.Join(words[1:len(words)-1], ""), "-s"), "-")
	sig, err := configs.ParseSignal(name)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(configs.SignalName(sig), "SIG")
}

func (s *service) stop() {
	wait := s.patience("TimeoutStopSec", usualWait)
	signal, at := s.get("KillSignal")
	sig, err := configs.ParseSignal(first(signal, "TERM"))
	if err != nil {
		s.errors.add(at, "KillSignal: %s", err)
		return
	}
	name := strings.TrimPrefix(configs.SignalName(sig), "SIG")
	for _, line := range s.every("ExecStop") {
		if sent := signalOf(line.value); sent != "" {
			name = sent
		}
	}
	step := "[" + quote(name) + ", " + duration(wait)
	switch mode, at := s.get("KillMode"); mode {
	case "", "control-group":
		step += ", " + quote("group")
	case "mixed":
	case "none":
		s.note(Different, at, "KillMode=none: it gets a signal here, and is killed where that is not enough; systemd sent none")
	default:
		s.note(Different, at, "KillMode=%s: what it leaves behind is killed", mode)
	}
	if kills, at := s.get("SendSIGKILL"); kills != "" && !yes(kills) {
		s.note(Different, at, "SendSIGKILL=no: it is killed here where it has not ended in time: see the time of stop")
	}
	s.d.set("stop", "["+step+"]]")
}

// after orders processes of one app as their units are.
func (c *conversion) after(services []*service) {
	for _, s := range services {
		var names []string
		for _, line := range s.all("Unit.After") {
			for _, name := range strings.Fields(line.value) {
				i := slices.IndexFunc(services, func(other *service) bool { return other.name == name && other != s })
				if i >= 0 && services[i].d.name != "" && services[i].d.name != s.d.name && c.options.App != "" {
					names = append(names, services[i].d.name)
				}
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			s.d.set("after", list(slices.Compact(names)))
		}
	}
}
