package configs

import (
	"slices"
	"strings"
)

// preset is what holds by default for a process with server = "…", below all that files
// say; nil without one. The table is what the files say of the process.
func (in input) preset() *value {
	s := in.server()
	if s == nil {
		return nil
	}
	quiet := *in.scope
	quiet.report = &report{} // what is wrong is said when it is read
	to := &facts{process: &Process{}, partial: true, env: map[string]string{}}
	if env := in.child("env").onlyTable(); env != nil {
		for name, v := range env.Table {
			to.env[name] = v.Text
		}
	}
	if command, ok := readIf(input{in.child("command"), &quiet}, command); ok {
		to.args, to.partial = s.arguments(command)
	}
	layer := &value{Kind: aTable, Table: map[string]*value{"stop": s.Stop.steps(to)}}
	for _, name := range sortedKeys(s.Presets) {
		if one := s.Presets[name]; len(one.settings(s, to)) > 0 {
			layer = layer.under(one.Set)
		}
	}
	if scratch := layer.child("scratch"); scratch != nil {
		layer.Table["scratch"] = in.unset(scratch)
	}
	return layer
}

func (in input) server() *server {
	name := in.child("server")
	if name == nil || name.Kind != aString {
		return nil
	}
	return servers()[name.Text]
}

func readIf[V any](in input, read func(input) (V, bool)) (v V, ok bool) {
	if in.value == nil {
		return v, false
	}
	return read(in)
}

// arguments are those of the server in a command, and whether there may be others, since
// the command is another program's.
func (s *server) arguments(command []string) (args []string, partial bool) {
	all, _ := levels(command)
	last := all[len(all)-1]
	if found := recognise(last.name(), last.argv[1:]); found != nil {
		return last.argv[1:], found != s
	}
	return nil, true
}

// steps are how it is stopped: the first one waits for as long as the server may take.
func (m manners) steps(to *facts) *value {
	steps := *m.Steps
	want, known := m.graceful(to)
	want += m.Margin
	first := steps.Items[0]
	if wait, ok := duration(positive)(input{&first.Items[1], &scope{report: &report{}}}); known && ok && want > wait {
		first.Items = slices.Clone(first.Items)
		first.Items[1].Text = want.String()
		steps.Items = slices.Clone(steps.Items)
		steps.Items[0] = first
	}
	return &steps
}

// unset leaves out of scratch what the files set otherwise.
func (in input) unset(scratch *value) *value {
	left := *scratch
	set := func(v value) bool {
		inherited := in.child("env_inherit")
		return in.child("env").child(v.Text) != nil || inherited != nil &&
			slices.ContainsFunc(inherited.Items, func(i value) bool { return i.Text == v.Text })
	}
	left.Items = slices.DeleteFunc(slices.Clone(scratch.Items), set)
	return &left
}

// complete gives the command of a process with server = "…" the arguments that it lacks,
// and its environment the sockets.
func (p *Process) complete(a *App) {
	s := servers()[p.Server]
	if s == nil || len(p.Command) == 0 {
		return
	}
	all, env := levels(p.Command)
	args, partial := s.arguments(p.Command)
	to := &facts{args: args, partial: partial, env: withEnv(p, env), process: p, app: a}
	if name := s.Arguments; name != "" {
		to.more, _ = Split(to.env[name])
	}
	if s.Sockets.Take == takeVariable {
		p.passByVariable(a, s.Sockets)
	}
	if partial || all[len(all)-1].inShell || !slices.Equal(p.Command[len(p.Command)-len(args):], args) {
		return // they would be another program's
	}
	var add []string
	for _, name := range sortedKeys(s.Adds) {
		if one := s.Adds[name]; len(one.settings(s, to)) > 0 {
			add = append(add, one.Add...)
		}
	}
	if s.Sockets.Take == takeOption && !has(to.all(), s.Sockets.Absent...) {
		add = append(add, p.passByOption(a, s.Sockets)...)
	}
	p.add(len(args), add)
}

// add puts arguments behind those of the command, but before a "--" among the last ones.
func (p *Process) add(last int, more []string) {
	at := len(p.Command)
	if end := slices.Index(p.Command[at-last:], "--"); end >= 0 {
		at += end - last
	}
	p.Command = slices.Insert(slices.Clone(p.Command), at, more...)
}

// passByOption are the arguments by which a server takes its sockets.
func (p *Process) passByOption(a *App, takes taking) (args []string) {
	names := a.streams(p)
	if len(names) == 0 {
		return nil
	}
	if takes.Most == 0 && p.Probe() {
		names = append(slices.Clone(names), "probe")
	}
	for i, name := range names {
		if takes.Most > 0 && i == takes.Most {
			break
		}
		for _, arg := range takes.Add {
			args = append(args, strings.ReplaceAll(arg, "{fd}", braced("socket."+name)))
		}
	}
	return args
}

// passByVariable sets the variable by which a server takes its sockets.
func (p *Process) passByVariable(a *App, takes taking) {
	names := a.streams(p)
	if _, set := p.Env[takes.Name]; set || len(names) == 0 {
		return
	}
	text := ""
	for _, name := range names {
		i := slices.IndexFunc(a.Sockets, func(s Socket) bool { return s.Name == name })
		if i < 0 {
			return // which is said elsewhere
		}
		_, address, _ := strings.Cut(a.Sockets[i].Listen, ":")
		text += strings.NewReplacer("{address}", address, "{fd}", braced("socket."+name)).Replace(takes.Each)
	}
	p.Env[takes.Name] = text
}
