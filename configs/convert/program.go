package convert

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"supd/configs"
)

// convert makes a process of a program, or several where the number of each is in what
// cannot be said of all of them.
func (p *program) convert() {
	_, name, _ := strings.Cut(p.section.name, ":")
	p.name = strings.TrimSpace(name)
	if p.name == "" || strings.ContainsAny(p.name, " :/") {
		p.errors.add(p.section.place, "[%s]: want a name without spaces, : and /", p.section.name)
		return
	}
	p.old = oldName(p.group, p.name)
	p.report.program(p.old)
	p.warnings(p.section, p.old)
	group := p.group
	if group == "" {
		group = p.name
	}
	p.x = expansion{known: map[string]string{"program_name": p.name, "group_name": group}}
	for name, value := range p.expansion(&option{}).known {
		p.x.known[name] = value
	}
	for _, v := range p.env {
		p.x.known["ENV_"+v.name] = v.value
	}
	before := len(p.errors)
	count, start := p.integer("numprocs", 1), p.integer("numprocs_start", 0)
	p.x.known["numprocs"] = itoa(count)
	p.checkName(count)
	if len(p.errors) > before || p.missing {
		return
	}
	switch {
	case count < 1:
		p.done = true
		p.note(Dropped, p.option("numprocs"), "numprocs is 0: it never ran, and is left out")
	case count > configs.MostWorkers:
		p.errors.add(p.section.place, "numprocs: want at most %d", configs.MostWorkers)
	default:
		p.processes(start, count)
	}
}

func oldName(group, name string) string {
	if group == "" || group == name {
		return name
	}
	return group + ":" + name
}

// checkName wants a number in the names of several.
func (p *program) checkName(count int) {
	if o := p.option("process_name"); count > 1 && (o == nil || !strings.Contains(o.value, "%(process_num)")) {
		p.errors.add(p.section.place, "numprocs is %d, and process_name has no %%(process_num)d", count)
	}
}

// mostSplit are written as processes of their own.
const mostSplit = 200

// run is what is launched, as far as it depends on the number of the process.
type run struct {
	argv      []string // with marks, as everything here
	env       []variable
	directory string
	start     int
	count     int
}

func (p *program) processes(start, count int) {
	before := len(p.errors)
	r, ok := p.run(start, count)
	if len(p.errors) > before {
		p.account(&process{}, []string{""}) // for what else is wrong
		p.settings(&process{}, run{count: 1})
	}
	if !ok {
		return
	}
	if count == 1 || p.slotted(r) {
		p.process(r, p.name)
		return
	}
	if count > mostSplit {
		p.note(ByHand, p.option("numprocs"), "not converted: {slot} cannot be the number that each process has, and they are too many to write each")
		return
	}
	p.differs(p.option("command"), "each of the processes is one of its own here, since {slot} cannot be the number that each has: scale and restart name them one by one")
	for n := start; n < start+count; n++ {
		one, name := r, p.processName(n)
		one.start, one.count = n, 1
		if strings.Trim(name, "0123456789") == "" {
			name = p.name + "-" + name
		}
		p.process(one, name)
	}
}

// run reads what is expanded for each number.
func (p *program) run(start, count int) (run, bool) {
	before := len(p.errors)
	x := p.x
	x.later, x.number = p.marks, true
	x = x.withoutSecrets()
	r := run{start: start, count: count}
	value, o := p.getWith("environment", x)
	env, err := assignments(value)
	if err != nil {
		p.fail(o, err)
	}
	known := map[string]string{}
	for _, v := range env {
		known["ENV_"+v.name] = v.value
	}
	r.env = env
	x = x.with(known).afterEnvironment()
	p.inner = x
	r.directory, _ = p.getWith("directory", x)
	line, o := p.getWith("command", x)
	switch {
	case p.missing || len(p.errors) > before:
		return r, false
	case o == nil:
		p.errors.add(p.section.place, "[%s] has no command", p.section.name)
		return r, false
	}
	return r, p.argv(o, line, &r) && p.fixed(p.option("directory"), r.directory)
}

func (p *program) argv(o *option, line string, r *run) bool {
	argv, joined, err := words(line)
	switch {
	case err != nil:
		p.note(Never, o, "the command was never started: "+err.Error()+cutHint(o))
		p.note(ByHand, o, "not converted: write its command anew")
		return false
	case len(argv) == 0 || argv[0] == "":
		p.note(Never, o, "the command is empty, and was never started")
		p.note(ByHand, o, "not converted: write its command anew")
		return false
	}
	if name, _, is := strings.Cut(argv[0], "="); is && isName(name) {
		p.note(Never, o, "no shell runs, and NAME=VALUE before a program is none: write it into environment")
	}
	if strings.HasSuffix(argv[0], ".sh") && !p.boolean("stopasgroup", false) {
		p.note(Converted, o, "a script starts its program with exec, or the program gets no signal")
	}
	if joined {
		p.differs(o, `a \ at the end of a line joins the lines; supervisord made the line's end a part of the next word`)
	}
	r.argv = argv
	return true
}

// cutHint says where the rest of a quoted text has gone.
func cutHint(o *option) string {
	if o.cut == "" {
		return ""
	}
	return fmt.Sprintf("; supervisord takes %q off as a comment, also in quotes", o.cut[:1]+" …")
}

// slotted reports whether the variables of slots can be the numbers that are in a run.
func (p *program) slotted(r run) bool {
	texts := slices.Clone(r.argv)
	for _, v := range r.env {
		texts = append(texts, v.value)
	}
	for _, text := range texts {
		for _, m := range p.marks.in(text) {
			if _, ok := slotText(m.verb, r.start, r.count); m.verb != "" && !ok {
				return false
			}
		}
	}
	return !slices.ContainsFunc(p.marks.in(r.directory), func(m mark) bool { return m.verb != "" })
}

// slotText gives the text that is, in each slot, the number that the process had: what
// all begin with, and the slot counted from 1 or from 0.
func slotText(verb string, start, count int) (string, bool) {
	if count == 1 {
		return formatNumber(start, verb), true
	}
	best, shortest := "", -1 // the shorter what all begin with, the more slots it is right for
	for _, v := range []struct {
		name  string
		first int
	}{{"slot", 1}, {"slot0", 0}} {
		for width := range len(formatNumber(start+count-1, verb)) + 1 {
			prefix, ok := commonPrefix(verb, start, count, v.first, width)
			if ok && (shortest < 0 || len(prefix) < shortest) {
				best, shortest = prefix+"{"+v.name+slotFormat(width)+"}", len(prefix)
			}
		}
	}
	return best, shortest >= 0
}

func slotFormat(width int) string {
	if width < 2 {
		return ""
	}
	return fmt.Sprintf(":%02d", width)
}

func commonPrefix(verb string, start, count, first, width int) (prefix string, ok bool) {
	for i := range count {
		text := formatNumber(start+i, verb)
		before, is := strings.CutSuffix(text, fmt.Sprintf("%0*d", width, first+i))
		if !is || i > 0 && before != prefix {
			return "", false
		}
		prefix = before
	}
	return prefix, true
}

// processName expands process_name for a number, or for all of them at once.
func (p *program) processName(n int) string {
	o := p.option("process_name")
	if o == nil {
		return p.name
	}
	text, err := p.inner.expand(o.value)
	if err != nil {
		p.fail(o, err)
		return p.name
	}
	return p.marks.replace(text, same, func(m mark) string {
		if m.verb == "" {
			return p.options.Env[m.env]
		}
		return formatNumber(n, m.verb)
	})
}

// process writes one [process.NAME].
func (p *program) process(r run, name string) {
	a := p.target()
	d := &process{old: p.old}
	argv := p.account(d, r.argv)
	if strings.HasPrefix(p.section.name, "fcgi-program:") {
		argv = asInput(argv)
	}
	p.environment(d, r)
	d.set("command", p.rendered(d, argv, r))
	if r.count > 1 {
		d.set("count", itoa(r.count))
	}
	p.settings(d, r)
	p.sockets(a, d)
	if p.missing {
		return
	}
	p.done = true
	a.add(d, name)
	p.remember(d)
	if d.name != name {
		p.note(Converted, nil, "names are of lower case letters, digits, - and _")
	}
	for i := range r.count {
		old := oldName(p.group, p.processName(r.start+i))
		if p.group == "" && r.count > 1 || p.group == "" && p.processName(r.start) != p.name {
			old = p.name + ":" + p.processName(r.start+i)
		}
		p.report.Names = append(p.report.Names, Name{old, a.name + "/" + d.name + "." + itoa(i+1)})
	}
}

// settings are the keys beside the command.
func (p *program) settings(d *process, r run) {
	p.directory(d, r)
	p.surroundings(d, r)
	p.restart(d)
	p.stop(d)
	p.log(d, r)
	p.limits(d)
	p.leftOut()
}

// rendered gives the command with its secrets in env_file.
func (p *program) rendered(d *process, argv []string, r run) string {
	hidden := d.hide(argv, marked)
	if !slices.Equal(hidden, argv) {
		p.note(Converted, p.option("command"), "what looks like a secret in a command is in env_file, and comes from there")
	}
	for i, arg := range hidden {
		for _, m := range p.marks.in(arg) {
			p.noteFilled(d, m, "command")
		}
		hidden[i] = p.render(arg, r)
	}
	return commandLine(hidden)
}

// accountOnes are what each worker has of its user's, whatever supd was started with.
var accountOnes = []string{"HOME", "USER", "LOGNAME", "SHELL"}

// noteFilled notes a variable that is filled in at the launch.
func (p *program) noteFilled(d *process, m mark, option string) {
	switch o := p.option(option); {
	case m.env == "" || option == "command" && d.sets(m.env):
	case slices.Contains(accountOnes, m.env) && isRoot(d.user):
	case slices.Contains(accountOnes, m.env):
		p.differs(o, "%(ENV_"+m.env+")s is that of the user here; supervisord filled in its own, which was root's mostly: say --env "+m.env+"=VALUE if that is meant")
	case m.env != "PATH":
		p.differs(o, startedWith("%(ENV_"+m.env+")s", m.env))
	}
}

// startedWith says what a variable of the old supervisor's environment wants here.
func startedWith(written, name string) string {
	return written + ": supd has to be started with " + name + " (Environment= in a drop-in of supd.service), which is one word in a command; or say --env " + name + "=VALUE"
}

// render gives a text as supd expands it at the launch.
func (p *program) render(text string, r run) string {
	return secretBraces(p.marks.replace(text, literal, func(m mark) string {
		if m.env != "" {
			return "{env." + m.env + "}"
		}
		text, _ := slotText(m.verb, r.start, r.count)
		return text
	}))
}

func (p *program) directory(d *process, r run) {
	if d.login {
		if d.home != "" {
			d.set("directory", quote(literal(d.home)))
		}
		return
	}
	dir := p.render(r.directory, r)
	if dir == "" {
		if o := p.ofDaemon("directory"); o != nil {
			dir, _ = p.getIn(o)
		}
	}
	switch {
	case dir == "" && p.options.Directory != "":
		dir = literal(p.options.Directory)
	case dir == "":
		p.differs(nil, "no directory: supervisord's own was where it was started, here it is /; say --directory DIR if that matters")
		return
	case !filepath.IsAbs(dir):
		dir = filepath.Join(p.base(), dir)
	}
	d.set("directory", quote(dir))
}

// base is what relative paths are relative to.
func (p *program) base() string {
	if p.options.Directory != "" {
		return literal(p.options.Directory)
	}
	return "/"
}

// getIn expands an option of another section.
func (s *supervisord) getIn(o *option) (string, bool) {
	value, err := s.expansion(o).expand(o.value)
	if err != nil {
		if missing, is := err.(unknownEnv); is {
			s.report.add(ByHand, "", o.place, fmt.Sprintf("%s: %s", o.name, missing))
		} else {
			s.fail(o, err)
		}
		return "", false
	}
	return value, true
}

// target is the app that the program becomes a part of.
func (p *program) target() *app { return p.app(p.group, p.from) }
