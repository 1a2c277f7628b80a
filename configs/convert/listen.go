package convert

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// killer is an event listener that ends supervisord when programs end.
type killer struct {
	exits bool // also when they are to be started again
}

func (k *killer) hearsExits() bool { return k != nil && k.exits }

// known are event listeners that many use, and what is done here instead.
var known = map[string]string{
	"supervisor_stdout":             `log = { to = "stdout" } does what supervisor_stdout did, in each program with stdout_events_enabled`,
	"memmon":                        "memmon: watch supd_worker_resident_memory_bytes, or set limits",
	"httpok":                        `httpok: write health = { http = "…" } in the process`,
	"crashmail":                     "crashmail: alert on supd_worker_restarts_total",
	"crashmailbatch":                "crashmailbatch: alert on supd_worker_restarts_total",
	"fatalmailbatch":                `fatalmailbatch: alert on supd_worker_state{state="FAILED"}`,
	"supervisord_dependent_startup": "supervisord-dependent-startup: `after` of the processes does that",
	"crashsms":                      "crashsms: alert on supd_worker_restarts_total",
}

// listeners are dropped. What most are for supd does itself.
func (s *supervisord) listeners() {
	for _, section := range s.ini.sections {
		name, is := strings.CutPrefix(section.name, "eventlistener:")
		if !is {
			continue
		}
		name = strings.TrimSpace(name)
		s.warnings(section, name)
		command := optionValue(section, "command")
		events := strings.Split(strings.ToUpper(optionValue(section, "events")), ",")
		for i := range events {
			events[i] = strings.TrimSpace(events[i])
		}
		program := ""
		for word := range strings.FieldsSeq(command) {
			base := strings.TrimSuffix(filepath.Base(word), ".py")
			if known[base] != "" {
				program = base
			}
		}
		switch {
		case program != "":
			s.printed = s.printed || program == "supervisor_stdout"
			kind := ByHand
			if program == "supervisor_stdout" || program == "supervisord_dependent_startup" {
				kind = Dropped
			}
			s.report.add(kind, "", section.place, fmt.Sprintf("[eventlistener:%s]: %s", name, known[program]))
		case ends(events) && kills(command):
			s.kill(section, events)
		default:
			s.report.add(ByHand, "", section.place, fmt.Sprintf("[eventlistener:%s] for %s: supd has no event listeners; what its workers do is in its log (`supctl logs -f supd`) and in its metrics", name, strings.Join(events, ", ")))
		}
	}
}

// ends reports whether a listener is told of ends of programs, and of nothing else.
func ends(events []string) bool {
	states := []string{"PROCESS_STATE", "PROCESS_STATE_EXITED", "PROCESS_STATE_FATAL", "PROCESS_STATE_STOPPED", "PROCESS_STATE_UNKNOWN", "PROCESS_STATE_BACKOFF"}
	return !slices.ContainsFunc(events, func(event string) bool { return !slices.Contains(states, event) })
}

var (
	killing = regexp.MustCompile(`(?i)kill|die|exit|stop|quit|shutdown|fatal|terminat|suicid|watchdog`)
	signals = regexp.MustCompile(`(?i)\bkill\b|SIGQUIT|SIGTERM|SIGINT|SIGKILL|\bshutdown\b|supervisord\.pid`)
)

// mostScript is far above what a script of a few lines has: larger ones are none.
const mostScript = 64 << 10

// kills reports whether a listener seems to end supervisord, by what it is called and by
// what a script has in it.
func kills(command string) bool {
	for word := range strings.FieldsSeq(command) {
		if killing.MatchString(filepath.Base(word)) {
			return true
		}
		if !filepath.IsAbs(word) {
			continue
		}
		if text, err := read(word, mostScript); err == nil && strings.HasPrefix(string(text), "#!") && signals.Match(text) {
			return true
		}
	}
	return false
}

func (s *supervisord) kill(section *section, events []string) {
	exits := slices.Contains(events, "PROCESS_STATE_EXITED") || slices.Contains(events, "PROCESS_STATE")
	s.killer = &killer{exits: exits}
	s.daemonKeys("daemon", []pair{{"exit_on", quote("any-failed")}})
	s.report.add(ByHand, "", section.place, fmt.Sprintf("[%s] seems to end supervisord when a program has failed: exit_on does that, write it in supd.toml, see below", section.name))
}
