package configs

import (
	"slices"
	"strings"
)

// notScratch are variables of the account that name no directory.
var notScratch = []string{"USER", "LOGNAME", "SHELL", "PATH"}

// scratchName reads the name of a variable that is to hold the path of a directory.
func scratchName(in input) (string, bool) {
	name, ok := text(in)
	if !ok {
		return "", false
	}
	problem := checkVariableName(name)
	switch {
	case problem != "":
	case strings.HasPrefix(name, "SUPD_"):
		problem = "begins as supd's own variables do; choose another name"
	case slices.Contains(notScratch, name):
		problem = "names no directory; remove it"
	case len(name) > 64:
		problem = "is longer than 64 bytes"
	default:
		return name, true
	}
	in.fail("%q: %s", name, problem)
	return "", false
}

// checkScratch wants a variable to be set once. Whether env_file sets it nobody knows
// before the launch, which sets it to the directory then.
func checkScratch(in input, p *Process) {
	for _, name := range p.Scratch {
		if _, set := p.Env[name]; set {
			in.at("env", name).fail("is in scratch too, which sets it to a directory of each launch; remove one of the two")
		}
		if slices.Contains(p.EnvInherit, name) {
			in.at("env_inherit").fail("%q is in scratch too, which sets it to a directory of each launch; remove one of the two", name)
		}
	}
}
