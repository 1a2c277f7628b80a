package configs

import (
	"path/filepath"
	"slices"
	"strings"
)

// deathSignal warns of a command that asks to be signalled when its parent ends. To
// the kernel that is the thread that has launched it (PR_SET_PDEATHSIG in prctl(2)):
// a reexec ends all threads of supd but one, though supd lives on. Nothing that supd
// does before an execve keeps the worker from asking, nor can one thread launch all
// workers, for a launch may hang.
func (t *trap) deathSignal() {
	for i, arg := range t.process.Command {
		if option := deathOption(filepath.Base(arg), t.process.Command[i+1:]); option != "" {
			t.warn("command", "%s asks for a signal when its parent ends, which it gets from a reexec or an upgrade of supd too, and when supd is killed; remove %[1]s: supd's workers outlive it", option)
			return
		}
	}
}

// deathOption finds what asks for that among the arguments of a program, or in a
// script.
func deathOption(program string, args []string) string {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	switch program {
	case "setpriv":
		if v := values(args, "--pdeathsig"); len(v) > 0 && v[0] != "keep" && v[0] != "clear" {
			return "setpriv --pdeathsig"
		}
	case "bwrap":
		if slices.Contains(args, "--die-with-parent") {
			return "bwrap --die-with-parent"
		}
	case "tini", "tini-static", "docker-init":
		if tiniAsks(args) {
			return program + " -p"
		}
	case "sh", "bash", "dash", "zsh", "ksh":
		for _, script := range values(args, "-c") {
			if option := scriptAsks(script); option != "" {
				return option
			}
		}
	}
	return ""
}

func scriptAsks(script string) string {
	words := strings.Fields(script)
	for i, word := range words {
		if option := deathOption(filepath.Base(word), words[i+1:]); option != "" {
			return option
		}
	}
	return ""
}

// tiniAsks reads tini's own options, which end at the command: letters in one word,
// of which p and e take a value.
func tiniAsks(args []string) bool {
	for i := 0; i < len(args) && len(args[i]) > 1 && args[i][0] == '-'; i++ {
		switch at := strings.IndexAny(args[i], "pe"); {
		case at < 0 || strings.HasPrefix(args[i], "--"):
		case args[i][at] == 'p':
			return true
		case at == len(args[i])-1:
			i++ // the value of -e
		}
	}
	return false
}
