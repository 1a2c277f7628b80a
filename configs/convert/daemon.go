package convert

import (
	"fmt"
	"slices"
	"strings"

	"supd/configs"
)

// mainOptions are those of [supervisord].
var mainOptions = []string{
	"logfile", "logfile_maxbytes", "logfile_backups", "loglevel", "pidfile", "umask", "nodaemon", "silent", "minfds", "minprocs",
	"nocleanup", "childlogdir", "user", "directory", "strip_ansi", "environment", "identifier",
}

// daemon reads [supervisord]: the environment of all programs, and what is left out.
func (s *supervisord) daemon() {
	if s.main == nil {
		return
	}
	for _, o := range s.main.options {
		if !slices.Contains(mainOptions, o.name) {
			text := o.name + " is no option of [supervisord], and was ignored"
			if near := configs.Nearest(o.name, mainOptions); near != "" {
				text += ": " + near + " was meant?"
			}
			s.report.add(Never, "", o.place, text)
		}
	}
	if o := s.main.option("nodaemon"); o != nil {
		s.report.add(Dropped, "", o.place, "nodaemon: supd stays in the foreground; in a container it is the ENTRYPOINT")
	}
	for _, name := range []string{"logfile", "loglevel", "pidfile", "childlogdir", "identifier", "strip_ansi", "nocleanup", "silent"} {
		if o := s.main.option(name); o != nil {
			s.report.add(Dropped, "", o.place, "logfile, loglevel, pidfile and the like of [supervisord]: supd logs to standard error, and has --pidfile")
		}
	}
	s.environment()
}

func (s *supervisord) environment() {
	o := s.main.option("environment")
	if o == nil {
		return
	}
	x := s.expansion(o)
	x.later, x.twice = s.marks, true
	value, err := x.expand(o.value)
	if err == nil {
		s.env, err = assignments(value)
	}
	if err != nil {
		s.fail(o, err)
	}
}

// servers reads who could control supervisord, and where.
func (s *supervisord) servers() {
	for _, section := range s.ini.sections {
		switch kind := kindOf(section.name); kind {
		case "unix_http_server":
			s.control(section)
		case "inet_http_server":
			s.report.add(ByHand, "", section.place, fmt.Sprintf("[inet_http_server] port=%s: supd is controlled by its unix socket alone, and no web page or XML-RPC answers: whoever used it wants supctl on this machine, or metrics.listen to look on", optionValue(section, "port")))
		case "supervisorctl", "rpcinterface", "ctlplugin":
			s.report.add(Dropped, "", section.place, "[supervisorctl] and [rpcinterface:x]: supctl finds supd by itself, and has no plug-ins")
		case "supervisord", "include", "group", "program", "fcgi-program", "eventlistener":
		default:
			s.report.add(Never, "", section.place, fmt.Sprintf("[%s] is no section of supervisord's, and was ignored", printable(section.name)))
		}
	}
}

func optionValue(s *section, name string) string {
	if o := s.option(name); o != nil {
		return printable(o.value)
	}
	return ""
}

// control says who may connect to the control socket, as [unix_http_server] does.
func (s *supervisord) control(section *section) {
	var keys []pair
	if o := section.option("chmod"); o != nil {
		if mode, ok := s.getIn(o); ok && strings.Trim(mode, "01234567") == "" && len(mode) <= 4 {
			keys = append(keys, pair{"mode", quote("0000"[:max(0, 4-len(mode))] + mode)})
		}
	}
	if o := section.option("chown"); o != nil {
		owner, _ := s.getIn(o)
		if _, group, both := strings.Cut(owner, ":"); both && group != "root" {
			keys = append(keys, pair{"group", quote(group)})
		}
	}
	if len(keys) > 0 {
		s.daemonKeys("control", keys)
		s.report.add(ByHand, "", section.place, "[unix_http_server]: write who may connect to the control socket in supd.toml, see below; who may do what is operators there")
	}
	if section.option("password") != nil {
		s.report.add(Dropped, "", section.place, "username and password of [unix_http_server]: supd sees who connects, and needs none")
	}
}

// daemonKeys adds what belongs into a table of supd.toml.
func (s *supervisord) daemonKeys(table string, keys []pair) {
	w := &writer{}
	w.line("[%s]", table)
	w.pairs(keys)
	if !strings.Contains(s.report.Daemon, w.String()) {
		s.report.Daemon += w.String()
	}
}

// common notes what is so for every program.
func (s *supervisord) common() {
	for _, text := range []string{
		"supctl restart stops and starts as supervisorctl did (strategy = \"replace\"); with a [socket.NAME] and without strategy new workers start beside the old, and no request is lost",
		"supctl reload sends reload_signal, or restarts; supervisorctl's reload is supctl apply, which restarts only what has changed",
		"what a program leaves behind when it ends is killed, always",
		"SUPD_APP, SUPD_PROCESS and SUPD_SLOT are in the environment, SUPERVISOR_PROCESS_NAME and the like are not",
		"logs without a path are in supd's log directory, APP/PROCESS.log",
		"standard input is empty (/dev/null): supervisord's was a pipe in which nothing came, and which did not end; a program that ends with its input ends at once",
		"secrets are found by their names and forms, which is a guess: read the files before others do",
	} {
		s.report.add(Converted, "", place{}, text)
	}
}
