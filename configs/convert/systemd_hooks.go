package convert

import "strings"

// hooks are the commands beside that of the service, one of each kind.
func (s *service) hooks() {
	var all []pair
	for _, kind := range []struct{ theirs, ours string }{
		{"ExecStartPre", "pre_start"}, {"ExecStartPost", "post_start"}, {"ExecStop", "pre_stop"}, {"ExecStopPost", "post_stop"},
	} {
		var lines []setting
		for _, line := range s.every(kind.theirs) {
			if kind.theirs != "ExecStop" || signalOf(line.value) == "" { // which stop has
				lines = append(lines, line)
			}
		}
		for i, line := range lines {
			command, ok := s.hook(line)
			serves := s.kind() != "oneshot" || kind.ours == "pre_start" || kind.ours == "post_stop" // the other hooks are for what does
			if i > 0 || !ok || !serves {
				s.note(ByHand, line.place, "%s=%s: hooks have one command of each kind, as the user of the process; write it there, or as a process that others come `after`", kind.theirs, programOf(line.value))
				continue
			}
			all = append(all, pair{kind.ours, inline(pair{"command", command}, pair{"timeout", quote("1m30s")})})
		}
	}
	if len(all) > 0 {
		s.d.set("hooks", inline(all...))
	}
	for _, line := range s.every("ExecCondition") {
		s.note(ByHand, line.place, "ExecCondition=%s has no counterpart", programOf(line.value))
	}
}

// programOf is the program of a command, for the report: what follows may be secret.
func programOf(line string) string {
	program, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if rest != "" {
		program += " …"
	}
	return printable(program)
}

// hook gives a command as supd has it. With a - before it its failure is none.
func (s *service) hook(line setting) (string, bool) {
	value, ignored := strings.CutPrefix(line.value, "-")
	if value == "" || strings.IndexByte("+!@:-", value[0]) >= 0 || strings.Contains(value, "MAINPID") || strings.Contains(value, "EXIT_") {
		return "", false
	}
	broken := s.broken
	argv := s.argv(setting{line.place, value, line.n}, true)
	failed := s.broken
	if s.broken = broken; failed {
		return "", false
	}
	if ignored {
		argv = append([]string{"/bin/sh", "-c", `"$0" "$@" || :`}, argv...)
	}
	return commandLine(argv), true
}
