package convert

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"supd/configs"
)

// What gives a secret away beside its name.
var (
	userInURL  = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/@:"']*:([^\s/"']+)@`) // up to the last @
	tokenInURL = regexp.MustCompile(`https?://([^\s/@:"']{8,})@`)
	plainDSN   = regexp.MustCompile(`^[\w.-]+:([^\s/@]+)@[\w.(\[]`) // of Go's drivers: user:password@tcp(host)
	bearer     = regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+([\w.~+/=-]{6,})`)
	inHeader   = regexp.MustCompile(`(?i)^\s*(?:proxy-)?(?:authorization|cookie|x-[\w-]*(?:key|token|auth)[\w-]*)\s*:\s*(\S.*)$`)
	userAndOne = regexp.MustCompile(`^[^\s:/]+:([^\s/][^\s]*)$`)
)

// authOptions take USER:PASSWORD.
var authOptions = []string{"--user", "--auth", "--basic-auth", "--http-auth", "--proxy-user", "--userpwd"}

// isSecret reports whether a variable is one that belongs into no file that others read.
func isSecret(v variable) bool {
	return v.value != "" && (configs.IsSecret(v.name, v.value) || secretIn(v.value) != "")
}

// secretIn gives what in a text that is no option is a secret: a part of it, or all where
// there are several, or where it is not clear how far one goes. "" is none.
func secretIn(text string) string {
	for _, form := range []*regexp.Regexp{userInURL, tokenInURL, plainDSN, inHeader, bearer} {
		all := form.FindAllStringSubmatch(text, -1)
		if len(all) == 0 {
			continue
		}
		secret := all[0][1]
		if rest := strings.Replace(text, secret, "", 1); len(all) == 1 && !strings.Contains(rest, secret) && configs.Redact(rest) == rest {
			return secret
		}
		return text
	}
	redacted := configs.Redact(text)
	if redacted == text {
		return ""
	}
	before, after, _ := strings.Cut(redacted, hidden)
	if strings.HasPrefix(text, before) && strings.HasSuffix(text, after) && len(before)+len(after) < len(text) && (after == "" || after[0] == ' ') {
		return text[len(before) : len(text)-len(after)]
	}
	return text
}

const hidden = "(hidden)" // what stands for one in configs.Redact

// hide moves secrets of a command into variables of env_file, but for the variables that
// are in them. The value of each argument is as it is given to the program.
func (p *process) hide(argv []string, variables *regexp.Regexp) []string {
	argv = slices.Clone(argv)
	for i := 1; i < len(argv); i++ {
		if secret := secretAt(argv, i); secret != "" {
			at := strings.LastIndex(argv[i], secret)
			argv[i] = argv[i][:at] + p.hideBetween(secret, variables) + argv[i][at+len(secret):]
		}
	}
	for i := 1; i < len(argv); i++ { // what is one here is one there
		argv[i] = p.hideKnown(argv[i])
	}
	return argv
}

// marked are variables in a text of supervisord's or systemd's.
var marked = regexp.MustCompile(string(firstMark) + `[^` + string(lastMark) + `]*` + string(lastMark))

// hideAround hides what is secret in the value of a variable, which has others in it.
func (p *process) hideAround(value string, variables *regexp.Regexp) string {
	secret := secretIn(value)
	if secret == "" || variables.MatchString(secret) {
		return p.hideBetween(value, variables)
	}
	return strings.Replace(value, secret, p.secret(secret), 1)
}

// leastHidden is how long a part of a secret is at least that is hidden, between variables.
const leastHidden = 4

func (p *process) hideBetween(secret string, variables *regexp.Regexp) string {
	all := variables.FindAllStringIndex(secret, -1)
	if len(all) == 0 {
		return p.secret(secret)
	}
	var b strings.Builder
	from := 0
	for _, at := range append(all, []int{len(secret), len(secret)}) {
		if part := secret[from:at[0]]; len(part) >= leastHidden {
			b.WriteString(p.secret(part))
		} else {
			b.WriteString(part)
		}
		b.WriteString(secret[at[0]:at[1]])
		from = at[1]
	}
	return b.String()
}

// secretAt gives the secret in an argument, which is its end or somewhere in it.
func secretAt(argv []string, i int) string {
	word, option := argv[i], argv[i-1]
	if name, value, is := strings.Cut(word, "="); is && !strings.ContainsAny(name, " \t\n\"'") {
		switch {
		case configs.IsSecret(name, value):
			return value
		case slices.Contains(authOptions, name) && userAndOne.MatchString(value):
			return value
		}
		return secretIn(value)
	}
	if strings.HasPrefix(option, "-") && !strings.HasPrefix(word, "-") && !strings.Contains(option, "=") {
		switch {
		case configs.IsSecret(option, word):
			return word
		case (slices.Contains(authOptions, option) || option == "-u" && isClient(argv[0])) && userAndOne.MatchString(word):
			return word
		}
	}
	switch program := filepath.Base(argv[0]); {
	case program == "sshpass" && option == "-p":
		return word
	case (strings.HasPrefix(program, "mysql") || strings.HasPrefix(program, "mariadb") || program == "sshpass") && len(word) > 2 && strings.HasPrefix(word, "-p"):
		return word[2:]
	}
	return secretIn(word)
}

// isClient reports whether -u of a program is USER:PASSWORD, and not a user of this machine.
func isClient(program string) bool {
	return slices.Contains([]string{"curl", "http", "https", "xh"}, filepath.Base(program))
}

// leastKnown is how long a secret is at least that is looked for anywhere.
const leastKnown = 6

// hideKnown replaces what is a secret of the process already, wherever else it is.
func (p *process) hideKnown(text string) string {
	for _, v := range p.secrets {
		if len(v.value) >= leastKnown && strings.Contains(text, v.value) {
			text = strings.ReplaceAll(text, v.value, secretOpen+v.name+secretClose)
		}
	}
	return text
}

// hideAgain replaces secrets in what was written before they were known, and moves
// variables to them that have one in their values, and nothing else that is filled in.
func (p *process) hideAgain() {
	for i, k := range p.keys {
		if k.key != "command" && k.key != "hooks" {
			continue
		}
		for _, v := range p.secrets {
			if written := strings.Trim(quote(literal(v.value)), `"`); len(v.value) >= leastKnown {
				p.keys[i].value = strings.ReplaceAll(p.keys[i].value, written, "{env."+v.name+"}")
			}
		}
	}
	p.env = slices.DeleteFunc(p.env, func(v variable) bool {
		text := notLiteral(v.value)
		known := p.hideKnown(v.value) != v.value && literal(text) == v.value // else a variable is filled in
		if known {
			p.secrets = append(p.secrets, variable{v.name, text})
		}
		return known
	})
}

// secret gives the name of a variable of env_file with a value, as a text marks it.
func (p *process) secret(value string) string {
	for _, v := range p.secrets {
		if v.value == value {
			return secretOpen + v.name + secretClose
		}
	}
	name := ""
	for n := len(p.secrets) + 1; ; n++ {
		if name = "SECRET_" + itoa(n); !p.sets(name) {
			break
		}
	}
	p.secrets = append(p.secrets, variable{name, value})
	return secretOpen + name + secretClose
}

// sets reports whether the process has a variable of that name.
func (p *process) sets(name string) bool {
	is := func(v variable) bool { return v.name == name }
	return slices.ContainsFunc(p.secrets, is) || slices.ContainsFunc(p.env, is)
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
