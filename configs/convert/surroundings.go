package convert

import (
	"slices"
	"strconv"

	"supd/configs"
)

// surroundings are the umask, what root keeps, and what is inherited.
func (p *program) surroundings(d *process, r run) {
	d.set("umask", quote(p.umask()))
	p.capable(d, r.argv)
	if !d.login {
		d.set("env_inherit", list([]string{"*"}))
		p.home(d)
	}
}

// environment comes before the command, which may have a secret of it.
func (p *program) environment(d *process, r run) {
	env := slices.Clone(p.env)
	for _, v := range slices.Concat(r.env, d.wrapped) {
		env = setVariable(env, v)
	}
	if d.login {
		return
	}
	for _, v := range env {
		p.variable(d, v, r)
	}
}

func (p *program) variable(d *process, v variable, r run) {
	o := p.option("environment")
	if problem := configs.VariableProblem(v.name); problem != "" {
		p.note(ByHand, o, "the variable "+v.name+" "+problem)
		return
	}
	if isSecret(v) && len(p.marks.in(v.value)) == 0 {
		d.secrets = append(d.secrets, v)
		p.note(Converted, o, "secrets of environment are in env_file, which is root's alone")
		return
	}
	text := v.value
	for _, m := range p.marks.in(text) {
		p.noteFilled(d, m, "environment")
	}
	if isSecret(v) {
		if text = d.hideAround(text, marked); text != v.value {
			p.note(Converted, o, "what is secret beside a variable is in env_file, and comes from there")
		}
	}
	d.env = append(d.env, variable{v.name, p.render(text, r)})
}

// umask is the program's, or supervisord's: 022 where it says none.
func (p *program) umask() string {
	value, o := p.get("umask")
	if o == nil {
		if o = p.ofDaemon("umask"); o == nil {
			return "0022"
		}
		value, _ = p.getIn(o)
	}
	return maskOf(&p.errors, o, value)
}

// maskOf writes a umask as TOML files have it.
func maskOf(errors *Errors, o *option, value string) string {
	mask, err := strconv.ParseUint(value, 8, 9)
	if err != nil {
		errors.add(o.place, "umask: %q is no octal number of at most 0777", value)
	}
	return "0" + padded(mask)
}

// ofDaemon is an option of [supervisord] that holds where it goes into the background.
func (p *program) ofDaemon(name string) *option {
	o := p.main.option(name)
	if o == nil {
		return nil
	}
	if stays := p.main.option("nodaemon"); stays != nil {
		if yes, _ := truth(stays.value); yes {
			p.report.add(Never, "", o.place, name+" of [supervisord] is set where supervisord goes into the background: with nodaemon it had no effect")
			return nil
		}
	}
	p.report.add(Different, "", o.place, name+" of [supervisord] is set, as where supervisord goes into the background: with -n, as Debian's unit starts it, it had no effect")
	return o
}

func padded(mask uint64) string {
	text := strconv.FormatUint(mask, 8)
	return "000"[:max(0, 3-len(text))] + text
}

// limits are what supervisord raised its own to, for its programs to inherit.
func (p *program) limits(d *process) {
	var limits []pair
	for _, one := range []struct {
		option, key string
		least       int
	}{{"minfds", "nofile", 1024}, {"minprocs", "nproc", 200}} {
		o := p.main.option(one.option)
		if o == nil {
			continue
		}
		value, ok := p.getIn(o)
		n, is := integer(value)
		switch {
		case !ok:
		case !is:
			p.errors.add(o.place, "%s: %q is no whole number", o.name, value)
		case n > one.least:
			limits = append(limits, pair{one.key, itoa(n)})
		}
	}
	if len(limits) > 0 {
		d.set("limits", inline(limits...))
	}
}

// leftOut notes options that nothing here has a place for.
func (p *program) leftOut() {
	for _, name := range []string{"stdout_capture_maxbytes", "stderr_capture_maxbytes", "stdout_events_enabled", "stderr_events_enabled", "serverurl"} {
		if o := p.option(name); o != nil && o.value != "0" && o.value != "false" {
			p.note(Dropped, o, "capture, events and serverurl are for event listeners, of which there are none here")
		}
	}
}
