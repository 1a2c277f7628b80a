package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"supd/configs"
)

// service is a unit that becomes a process, with the sockets that it gets.
type service struct {
	*conversion
	*unit
	name    string // NAME.service
	old     string // without .service
	sockets []*unit
	used    map[string]bool // settings that have a place here
	d       *process
	broken  bool
}

// units converts services, each with the .socket of its name or that names it.
func (c *conversion) units(files []string) {
	var services []*service
	var sockets []*unit
	for _, file := range files {
		u, ok := c.unit(file)
		switch {
		case !ok:
		case isService(file):
			services = append(services, &service{conversion: c, unit: u, name: filepath.Base(file), old: stem(file), used: map[string]bool{}})
		default:
			sockets = append(sockets, u)
		}
	}
	for _, u := range sockets {
		name := stem(u.source) + ".service"
		if s, is := u.last("Socket.Service"); is {
			name = s.value
		}
		i := slices.IndexFunc(services, func(s *service) bool { return s.name == name })
		if i < 0 {
			c.errors.add(place{u.source, 0}, "is for %s, which is not among the files: name both", name)
			continue
		}
		services[i].sockets = append(services[i].sockets, u)
	}
	for _, s := range services {
		s.convert()
	}
	c.after(services)
	if len(services) > 0 {
		c.report.add(Converted, "", place{}, "processes start with supd: what a unit waits for and who wants it ([Unit], [Install]) is for supd.service")
		c.report.add(Converted, "", place{}, "nothing gains rights by set-user-ID programs such as sudo (no_new_privs), whatever NoNewPrivileges= says")
	}
}

func (s *service) convert() {
	s.report.program(s.old)
	s.d = &process{old: s.old}
	before := len(s.errors)
	a := s.app("", s.source)
	s.user()
	s.command()
	s.hooks()
	s.place()
	s.environment()
	s.directories()
	s.restart()
	s.readiness()
	s.stop()
	s.resources()
	s.logs()
	s.listen(a)
	s.hardened()
	s.rest()
	if s.broken || len(s.errors) > before {
		s.report.leftOut(s.old)
		return
	}
	a.add(s.d, strings.TrimSuffix(s.old, "@"))
	s.report.Names = append(s.report.Names, Name{s.name, a.name + "/" + s.d.name + ".1"})
}

// get gives a setting of [Service] that holds, and notes that it has a place here.
func (s *service) get(name string) (string, place) {
	s.used[name] = true
	v, _ := s.last("Service." + name)
	return v.value, v.place
}

func (s *service) every(name string) []setting {
	s.used[name] = true
	return s.all("Service." + name)
}

func (s *service) note(kind Kind, at place, format string, args ...any) {
	s.report.add(kind, s.old, at, fmt.Sprintf(format, args...))
}

// unable leaves the service out, since it would be another one.
func (s *service) unable(at place, format string, args ...any) {
	s.broken = true
	s.note(ByHand, at, "not converted: "+format, args...)
}

func (s *service) span(name string) (seconds float64, at place, set bool) {
	value, at := s.get(name)
	if value == "" {
		return 0, at, false
	}
	seconds, ok := spans(value)
	if !ok {
		s.errors.add(at, "%s: %q is no time", name, value)
	}
	return seconds, at, ok
}

// instance stands for %i in texts.
const instance = string(firstMark) + "i" + string(lastMark)

// specifiers replaces %x. The instance of a template is its slot, where there can be one.
func (s *service) specifiers(at place, text string, slots bool) string {
	var b strings.Builder
	for {
		before, rest, is := strings.Cut(text, "%")
		b.WriteString(before)
		if !is {
			return b.String()
		}
		if rest == "" {
			s.errors.add(at, "a %% at the end is no specifier: want %%%%")
			return ""
		}
		value, known := s.specifier(rest[0])
		switch {
		case known:
		case (rest[0] == 'i' || rest[0] == 'I') && slots:
			value = instance
			s.note(ByHand, at, "%%i is the slot here: set count to the number of instances, and see that 1, 2, 3 … are right for them")
		default:
			s.unable(at, "%%%c is not known here", rest[0])
		}
		b.WriteString(value)
		text = rest[1:]
	}
}

func (s *service) specifier(c byte) (string, bool) {
	prefix, name, template := strings.Cut(s.old, "@")
	host, _ := os.Hostname()
	known := map[byte]string{
		'%': "%", 'n': s.name, 'N': s.old, 'p': prefix, 'H': host, 't': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log",
		'E': "/etc", 'T': "/tmp", 'V': "/var/tmp", 'h': "/root", 'u': "root", 'U': "0", 'g': "root", 'G': "0", 's': "/bin/sh",
	}
	if template && name != "" {
		known['i'], known['I'] = name, unescapedName(name)
	}
	value, is := known[c]
	return value, is
}

// unescapedName takes back what systemd-escape(1) does: "-" is "/", and "\x2d" a "-".
func unescapedName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if digits, is := strings.CutPrefix(name[i:], `\x`); is && len(digits) >= 2 {
			if n, err := strconv.ParseUint(digits[:2], 16, 8); err == nil {
				c, i = byte(n), i+3
			}
		} else if c == '-' {
			c = '/'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// text is one that supd expands: with braces doubled, and the slot for %i.
func (s *service) text(text string) string {
	return strings.ReplaceAll(literal(text), instance, "{slot}")
}

func (s *service) user() {
	user, at := s.get("User")
	group, _ := s.get("Group")
	if dynamic, at := s.get("DynamicUser"); yes(dynamic) {
		s.unable(at, "DynamicUser: make a user of its own, and set User=")
	}
	user, group = s.specifiers(at, user, false), s.specifiers(at, group, false)
	switch {
	case user == "" && s.options.User != "":
		user = s.options.User
	case user == "":
		user = "root"
		s.note(AsRoot, at, "no User=: it runs as root, with allow_root and the capabilities that root has in a container; say --user NAME for a user of its own")
	case isRoot(user):
		s.note(AsRoot, at, "it runs as root, and root has the capabilities that it has in a container, and no others")
	}
	s.d.user, s.d.group = user, group
}

func yes(value string) bool {
	return slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, strings.ToLower(value))
}

// command is what ExecStart starts.
func (s *service) command() {
	all := s.every("ExecStart")
	if len(all) == 0 {
		s.errors.add(place{s.source, 0}, "has no ExecStart")
		return
	}
	if len(all) > 1 {
		s.unable(all[1].place, "several ExecStart: write one command, or a process for each that comes `after` the other")
		return
	}
	if argv := s.argv(all[0], true); !s.broken {
		s.d.set("command", commandLine(argv))
	}
}

// argv gives the words of a command as supd has them.
func (s *service) argv(line setting, slots bool) []string {
	argv, err := s.words(line, slots)
	if err != nil || len(argv) == 0 {
		s.errors.add(line.place, "no command: %v", err)
		s.broken = true
		return nil
	}
	if slices.Contains(argv, ";") {
		s.unable(line.place, "several commands in one line")
		return nil
	}
	for i := range argv {
		if argv[i] == `\;` { // systemd.service(5)
			argv[i] = ";"
		}
	}
	argv, literally := s.prefixes(line.place, argv)
	argv = s.d.hide(argv, marked)
	var words []string
	for i, arg := range argv {
		if i == 0 || literally {
			words = append(words, secretBraces(s.text(arg)))
			continue
		}
		words = append(words, s.expanded(line.place, arg)...)
	}
	return words
}

// words gives those of a line, with specifiers replaced in each.
func (s *service) words(line setting, slots bool) ([]string, error) {
	words, err := unitWords(line.value)
	for i := range words {
		words[i] = s.specifiers(line.place, words[i], slots)
	}
	return words, err
}

// prefixes takes the special letters off the program (systemd.service(5)).
func (s *service) prefixes(at place, argv []string) (words []string, literally bool) {
	program := argv[0]
	for program != "" && strings.IndexByte("@-:+!", program[0]) >= 0 {
		switch program[0] {
		case '-':
			s.note(Different, at, "- before the program: a failure is one here")
		case ':':
			literally = true
		case '@':
			s.note(Different, at, "@ before the program: it gets its own name as its first argument")
			if len(argv) > 1 {
				argv = slices.Delete(slices.Clone(argv), 1, 2)
			}
		default:
			s.unable(at, "%q before the program lets it have all rights, which no process has here", program[0])
		}
		program = program[1:]
	}
	return append([]string{program}, argv[1:]...), literally
}

// expanded replaces $NAME and ${NAME} of a word. $NAME alone is as many words as its value
// has, which is known only where Environment= has it.
func (s *service) expanded(at place, word string) []string {
	if name, alone := strings.CutPrefix(word, "$"); alone && isName(name) {
		if s.nowhere(at, name) {
			return nil
		}
		value, known := s.assigned(name)
		if !known {
			s.note(Different, at, "$NAME of an EnvironmentFile in the command is one word, and has to be set: systemd splits it, and takes nothing for one that is not set")
			return []string{"{env." + name + "}"}
		}
		if isSecret(variable{name, value}) {
			return []string{"{env." + name + "}"}
		}
		words, err := unitWords(value) // which takes quotes into account, as systemd does
		if err != nil {
			words = strings.Fields(value)
		}
		for i := range words {
			words[i] = s.text(words[i])
		}
		return words
	}
	var b strings.Builder
	for {
		before, rest, is := strings.Cut(word, "$")
		b.WriteString(secretBraces(s.text(before)))
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "{"), "}")
		switch {
		case !is:
			return []string{b.String()}
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			word = rest[1:]
			continue
		case rest == "" || rest[0] != '{' || !closed || !isName(name):
			b.WriteByte('$')
			word = rest
			continue
		}
		if s.nowhere(at, name) {
			word = after
			continue
		}
		if _, known := s.assigned(name); !known {
			s.note(Different, at, "${NAME} of an EnvironmentFile in the command has to be set: systemd takes nothing for one that is not set")
		}
		b.WriteString("{env." + name + "}")
		word = after
	}
}

func isName(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == "" && name != "" && (name[0] < '0' || name[0] > '9')
}

// nowhere reports whether nothing sets a variable, so that systemd takes nothing for it.
func (s *service) nowhere(at place, name string) bool {
	_, known := s.assigned(name)
	if known || len(s.every("EnvironmentFile")) > 0 || slices.Contains([]string{"HOME", "USER", "LOGNAME", "SHELL", "PATH"}, name) {
		return false
	}
	for _, line := range s.every("PassEnvironment") {
		if slices.Contains(strings.Fields(line.value), name) {
			return false
		}
	}
	s.note(Never, at, "nothing sets $%s, which is in the command: it is left out, as systemd does", name)
	return true
}

// assigned gives the value of a variable of Environment=.
func (s *service) assigned(name string) (value string, known bool) {
	for _, v := range s.assignments() {
		if v.name == name {
			value, known = v.value, true
		}
	}
	return value, known
}

func (s *service) assignments() (env []variable) {
	for _, line := range s.every("Environment") {
		words, err := s.words(line, true)
		if err != nil {
			s.errors.add(line.place, "Environment: %s", err)
		}
		for _, word := range words {
			name, value, is := strings.Cut(word, "=")
			if !is {
				s.errors.add(line.place, "Environment: want NAME=VALUE")
				continue
			}
			env = setVariable(env, variable{name, value})
		}
	}
	return env
}

// place is where it starts.
func (s *service) place() {
	dir, at := s.get("WorkingDirectory")
	dir, optional := strings.CutPrefix(dir, "-")
	if optional {
		s.note(Different, at, "- before the WorkingDirectory: it has to be there")
	}
	switch {
	case optional && dir == "":
		s.errors.add(at, "WorkingDirectory: - is no path")
	case dir == "~":
		s.unable(at, "WorkingDirectory=~: write the home directory")
	case dir != "":
		s.d.set("directory", quote(literal(s.specifiers(at, dir, false))))
	case s.options.Directory != "":
		s.d.set("directory", quote(literal(s.options.Directory)))
	}
	if mask, at := s.get("UMask"); mask != "" && (strings.Trim(mask, "01234567") != "" || len(mask) > 4) {
		s.errors.add(at, "UMask: %q is no octal number", mask)
	} else {
		s.d.set("umask", quote(fmt.Sprintf("%04s", first(mask, "0022"))))
	}
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

func (s *service) environment() {
	var files []setting
	files = append(files, s.every("EnvironmentFile")...)
	for _, v := range s.assignments() {
		problem := configs.VariableProblem(v.name)
		switch at, _ := s.last("Service.Environment"); {
		case problem != "":
			s.note(ByHand, at.place, "the variable %s %s", v.name, problem)
		case isSecret(v) && len(files) > 0:
			s.note(ByHand, at.place, "%s is left out, since it seems to be a secret: write it into %s", v.name, printable(s.specifiers(files[0].place, strings.TrimPrefix(files[0].value, "-"), false)))
		case isSecret(v) && !strings.Contains(v.value, instance):
			s.d.secrets = append(s.d.secrets, v)
			s.note(Converted, at.place, "secrets of Environment= are in env_file, which is root's alone")
		case isSecret(v):
			s.d.env = append(s.d.env, variable{v.name, secretBraces(s.text(s.d.hideAround(v.value, marked)))})
		default:
			s.d.env = append(s.d.env, variable{v.name, s.text(v.value)})
		}
	}
	s.environmentFiles(files)
	var inherited []string
	for _, line := range s.every("PassEnvironment") {
		inherited = append(inherited, strings.Fields(line.value)...)
	}
	if len(inherited) > 0 {
		slices.Sort(inherited)
		s.d.set("env_inherit", list(slices.Compact(inherited)))
	}
}

// environmentFiles: a process has one.
func (s *service) environmentFiles(files []setting) {
	for i, file := range files {
		path := strings.TrimPrefix(file.value, "-")
		if i > 0 {
			s.note(ByHand, file.place, "a second EnvironmentFile: a process has one, put %s into the first", printable(path))
			continue
		}
		if len(s.d.secrets) > 0 {
			s.note(ByHand, file.place, "what looks like a secret in the command is in an env_file of its own: put EnvironmentFile= into it, or it into that")
			continue
		}
		if strings.ContainsAny(path, "*?[") {
			s.note(ByHand, file.place, "EnvironmentFile=%s: env_file is one file: name it, with what is in all of them", printable(path))
			continue
		}
		if path != file.value {
			s.note(Different, file.place, "- before an EnvironmentFile: the file has to be there")
		}
		if len(s.d.env) > 0 {
			s.note(Different, file.place, "env outranks env_file: in systemd EnvironmentFile= outranks Environment=")
		}
		s.d.set("env_file", quote(literal(s.specifiers(file.place, path, false))))
	}
}
