package configs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// detaching are options by which a program leaves who has started it.
var detaching = map[string][]string{
	"circusd": {"--daemon"}, "haproxy": {"-D"}, "memcached": {"-d", "--daemon"}, "mosquitto": {"-d", "--daemon"},
	"mysqld": {"-D", "--daemonize"}, "pgbouncer": {"-d", "--daemon"}, "start-stop-daemon": {"-b", "--background"},
}

// staying are options without one of which a program does that.
var staying = map[string][]string{
	"apache2": {"-DFOREGROUND", "-DNO_DETACH", "-X"}, "httpd": {"-DFOREGROUND", "-DNO_DETACH", "-X"},
	"cron": {"-f"}, "dnsmasq": {"-k", "--keep-in-foreground", "-d", "--no-daemon"}, "lighttpd": {"-D"},
	"named": {"-f", "-g"}, "rsyslogd": {"-n"}, "squid": {"-N", "--foreground"}, "sshd": {"-D", "-d"},
	"supervisord": {"-n", "--nodaemon"}, "twistd": {"-n", "--nodaemon"}, "unbound": {"-d"}, "varnishd": {"-F"},
}

// background warns of a program that goes into the background: its process ends, and
// what it leaves behind is no worker.
func (t *trap) background() {
	for _, option := range detaching[t.program] {
		if has(t.args, option) {
			t.leaves("with "+option, "remove it")
		}
	}
	if options := staying[t.program]; len(options) > 0 && !has(joined(t.args, "-D"), options...) {
		t.leaves("without "+options[0], "add it")
	}
	switch t.program {
	case "nginx", "openresty":
		t.nginx()
	case "redis-server", "valkey-server":
		t.redis()
	}
	for _, l := range t.levels {
		options := l.argv[1:]
		if end := slices.IndexFunc(options, func(s string) bool { return !strings.HasPrefix(s, "-") }); end >= 0 {
			options = options[:end]
		}
		if l.name() == "setsid" && !has(options, "-w", "--wait") {
			t.warn("command", "each worker has a session already, and without --wait setsid leaves supd, which takes that for an exit; remove it")
		}
	}
	switch {
	case strings.HasPrefix(t.program, "php-fpm"): // php-fpm8.4
		t.phpFPM()
	case t.server.is("gunicorn"):
		t.gunicornDaemon(t.facts().all())
	}
}

// leaves says by what a program does, and the remedy.
func (t *trap) leaves(by, remedy string) {
	t.warn("command", "%s %s leaves supd, which takes that for an exit; %s", by, t.program, remedy)
}

// joined makes one of an option and its value: -D FOREGROUND is -DFOREGROUND.
func joined(args []string, option string) []string {
	all := slices.Clone(args)
	for i := 1; i < len(all); i++ {
		if all[i-1] == option && !strings.HasPrefix(all[i], "-") {
			all[i] = option + all[i]
		}
	}
	return all
}

// nginxDaemon is the directive; a comment before it on its line is none.
var nginxDaemon = regexp.MustCompile(`(?m)^[^#\n]*?\bdaemon\s+(on|off)\s*;`)

// nginx is a daemon unless it is told not to be, or has inherited sockets (ngx_inherited
// in its main).
func (t *trap) nginx() {
	if t.env["NGINX"] != "" {
		return
	}
	file := "/etc/nginx/nginx.conf"
	for _, path := range values(t.args, "-c") {
		file = path
	}
	text, ok := t.file(file, "")
	said := lastOf(nginxDaemon, strings.Join(append([]string{text}, values(t.args, "-g")...), "\n"))
	if said == "on" || said == "" && ok {
		t.leaves(`without "daemon off;"`, `add -g "daemon off;", or write that in its file`)
	}
}

var redisDaemonize = regexp.MustCompile(`(?mi)^\s*daemonize\s+"?(yes|no)`)

func (t *trap) redis() {
	said := ""
	if len(t.args) > 0 && !strings.HasPrefix(t.args[0], "-") {
		text, _ := t.file(t.args[0], t.process.Directory)
		said = lastOf(redisDaemonize, text)
	}
	for _, option := range values(t.args, "--daemonize") {
		said = option
	}
	if strings.EqualFold(said, "yes") {
		t.leaves("with daemonize yes", "write daemonize no")
	}
}

// Lines of php-fpm's file: that it stays, and how long its children have to end.
var (
	fpmDaemonize = regexp.MustCompile(`(?mi)^\s*daemonize\s*=\s*"?(no|0|false|off|none)`)
	fpmPatience  = regexp.MustCompile(`(?mi)^\s*process_control_timeout\s*=\s*"?([0-9]*[1-9])`)
)

func (t *trap) phpFPM() {
	stays, unknown := has(t.args, "-F", "--nodaemonize"), false
	for _, path := range values(t.args, "-y", "--fpm-config") {
		text, ok := t.file(path, t.process.Directory)
		stays, unknown = stays || fpmDaemonize.MatchString(text), unknown || !ok
		if ok && !fpmPatience.MatchString(text) {
			t.warn("command", "php-fpm ends its children at once, with the requests that they are at, without process_control_timeout in %s; write process_control_timeout = 25s there, less than stop waits", path)
		}
	}
	if !stays && !unknown {
		t.leaves("without --nodaemonize", "add it")
	}
}

// file gives the text of a file that the program reads, and whether that could be
// read. A relative path is one from dir, or of a place that only the program knows.
func (t *trap) file(path, dir string) (string, bool) {
	path, ok := pathFrom(path, dir)
	if !ok {
		return "", false
	}
	text, err := readThrough(t.app.view(), path, t.way.As)
	return string(text), err == nil
}

// pathFrom is an absolute path, where that can be told.
func pathFrom(path, dir string) (string, bool) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return path, filepath.IsAbs(path)
}

// lastOf is the group of the last match, "" without one.
func lastOf(setting *regexp.Regexp, text string) string {
	all := setting.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}
