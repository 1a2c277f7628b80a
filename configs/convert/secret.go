package convert

import (
	"strings"

	"supd/configs"
)

// isSecret reports whether a variable is one that belongs into no file that others read.
func isSecret(v variable) bool {
	line := v.name + "=" + v.value
	return v.value != "" && configs.Redact(line) != line
}

// hide moves secrets of a command into variables of env_file. The value of each argument
// is as it is given to the program.
func (p *process) hide(argv []string) []string {
	argv = append([]string(nil), argv...)
	for i := 1; i < len(argv); i++ {
		before, secret, after := secretIn(argv[i])
		if secret == "" && strings.HasPrefix(argv[i-1], "-") && !strings.HasPrefix(argv[i], "-") {
			if line := argv[i-1] + " " + argv[i]; configs.Redact(line) == argv[i-1]+" "+hidden {
				before, secret, after = "", argv[i], ""
			}
		}
		if secret == "" && configs.Redact(argv[i]) != argv[i] { // there are several
			before, secret, after = "", argv[i], ""
		}
		if secret == "" || strings.ContainsRune(secret, firstMark) {
			continue
		}
		argv[i] = before + p.secret(secret) + after
	}
	return argv
}

const hidden = "(hidden)"

// secretIn gives what Redact hides in a text, where that is one thing.
func secretIn(s string) (before, secret, after string) {
	before, after, is := strings.Cut(configs.Redact(s), hidden)
	if !is || len(before)+len(after) >= len(s) || !strings.HasPrefix(s, before) || !strings.HasSuffix(s, after) {
		return "", "", ""
	}
	return before, s[len(before) : len(s)-len(after)], after
}

// secret gives the name of a variable of env_file with a value, as a text marks it.
func (p *process) secret(value string) string {
	for _, v := range p.secrets {
		if v.value == value {
			return secretOpen + v.name + secretClose
		}
	}
	name := "SECRET_" + itoa(len(p.secrets)+1)
	p.secrets = append(p.secrets, variable{name, value})
	return secretOpen + name + secretClose
}

// These become braces once those of the text have been doubled.
const (
	secretOpen  = "\ufdd2"
	secretClose = "\ufdd3"
)

var secretBraces = strings.NewReplacer(secretOpen, "{env.", secretClose, "}").Replace

// envFile writes variables as env_file has them.
func envFile(env []variable) string {
	var b strings.Builder
	for _, v := range env {
		b.WriteString(v.name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "$", `\$`).Replace(v.value) + "\"\n")
	}
	return b.String()
}
