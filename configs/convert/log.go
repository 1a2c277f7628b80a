package convert

import (
	"path/filepath"
	"slices"
	"strings"
)

// output is where one of the two outputs of a program went.
type output struct {
	to       string // "auto", "none", "supd", "syslog" or "file"
	path     string
	numbered bool // the path has the number of the process
	at       *option
	maxBytes int64
	backups  int
}

// descriptors are the names of supervisord's own outputs.
var descriptors = []string{"/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2", "/proc/1/fd/1", "/proc/1/fd/2", "/dev/tty", "/dev/console"}

func (p *program) output(stream string, r run) output {
	o := output{to: "auto", maxBytes: p.bytes(stream+"_logfile_maxbytes", 50<<20), backups: p.integer(stream+"_logfile_backups", 10)}
	x := p.inner
	x.twice = true
	value, at := p.getWith(stream+"_logfile", x)
	o.at = at
	lower := strings.ToLower(value)
	switch {
	case at == nil || lower == "auto":
	case value == "" || lower == "none" || lower == "off" || value == "/dev/null":
		o.to = "none"
	case lower == "syslog":
		o.to = "syslog"
	case slices.Contains(descriptors, value):
		o.to = "supd"
	case !p.fixed(at, value):
	default:
		o.to, o.path, o.numbered = "file", p.logPath(at, value, r), len(p.marks.in(value)) > 0
	}
	if p.boolean(stream+"_syslog", false) {
		if o.to == "file" || o.to == "auto" {
			p.differs(p.option(stream+"_syslog"), "the output goes to syslog alone; it was in a file as well")
		}
		o.to = "syslog"
	}
	return o
}

const relativeLog = "a relative path of a log is one below --directory, or below /; the old one began where the supervisor was started"

// logPath is one for all workers: what is their number there is left out.
func (p *program) logPath(at *option, value string, r run) string {
	path := p.marks.replace(value, literal, func(m mark) string {
		if r.count == 1 {
			return formatNumber(r.start, m.verb)
		}
		return string(lastMark)
	})
	for _, mark := range []string{"-" + string(lastMark), "_" + string(lastMark), "." + string(lastMark), string(lastMark)} {
		path = strings.ReplaceAll(path, mark, "")
	}
	if path == "~" || strings.HasPrefix(path, "~/") {
		path = "/root" + path[1:]
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.base(), path)
		p.report.add(Different, p.old, at.place, relativeLog)
	}
	return filepath.Clean(path)
}

// log writes where the output goes. Both go to one place here.
func (p *program) log(d *process, r run) {
	out, err := p.output("stdout", r), p.output("stderr", r)
	if p.boolean("redirect_stderr", false) {
		err = output{to: "redirected"}
	}
	told := p.printed && (p.boolean("stdout_events_enabled", false) || p.boolean("stderr_events_enabled", false))
	if r.count > 1 && out.numbered && !told {
		p.differs(out.at, "one log for all processes of the program; each had one of its own; with prefix = true each line says whose it is")
	}
	if told { // by a listener
		p.toStdout(d, out, err)
		return
	}
	p.merged(out, err)
	if out.to == "none" && err.to != "none" && err.to != "redirected" {
		p.differs(out.at, "standard output was thrown away; it is in the log, with standard error")
		out = err
	}
	p.writeLog(d, out)
}

// toStdout does what a listener did that printed what programs print.
func (p *program) toStdout(d *process, out, err output) {
	for _, one := range []output{out, err} {
		if one.to == "file" || one.to == "auto" {
			p.differs(one.at, "the output goes to supd's standard output alone; it was in a file as well")
			break
		}
	}
	p.writeLog(d, output{to: "supd"})
}

// merged notes an output that had a place of its own.
func (p *program) merged(out, err output) {
	switch {
	case err.to == "supd" && out.to == "supd":
		if isError(err.at.value) && !isError(out.at.value) {
			p.differs(err.at, "standard error goes to supd's standard output, with standard output; it went to supervisord's standard error")
		}
	case err.to == "redirected" || err.to == out.to && err.path == out.path:
	case err.to == "file":
		p.differs(err.at, "standard error goes where standard output goes; it had a file of its own; with prefix = \"stream\" each line says which it is")
	case err.to == "none":
		p.differs(err.at, "standard error was thrown away; it goes where standard output goes")
	case err.to == "auto" && out.to == "supd":
		p.differs(out.at, "standard error goes to supd's standard output too; it was in a file of supervisord's own making")
	case err.to == "supd" && out.to != "none":
		p.differs(err.at, "standard error goes into the log with standard output; it went to supervisord's own")
	}
}

func (p *program) writeLog(d *process, out output) {
	switch out.to {
	case "supd":
		d.set("log", inline(pair{"to", quote("stdout")}))
		return
	case "none":
		d.set("log", inline(pair{"to", quote("none")}))
		return
	case "syslog":
		d.set("log", inline(pair{"to", quote("syslog")}, pair{"facility", quote("user")})) // that of syslog(3), which nothing sets there
		return
	}
	var pairs []pair
	if out.to == "file" {
		pairs = append(pairs, pair{"file", quote(out.path)})
	}
	if out.maxBytes != 50<<20 {
		pairs = append(pairs, pair{"max_size", size(out.maxBytes)})
	}
	if out.backups != 10 && out.maxBytes != 0 {
		pairs = append(pairs, pair{"keep", itoa(max(1, out.backups))})
	}
	if len(pairs) > 0 {
		d.set("log", inline(pairs...))
	}
}

// isError reports whether a file is supervisord's standard error.
func isError(path string) bool {
	return strings.HasSuffix(path, "err") || strings.HasSuffix(path, "/2")
}
