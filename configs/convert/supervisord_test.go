package convert

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"

	"supd/configs"
)

// lay writes files into a new directory.
func lay(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// converted is what a file becomes.
func converted(t *testing.T, name, text string, o Options) string {
	t.Helper()
	r, err := Convert([]string{filepath.Join(lay(t, map[string]string{name: text}), name)}, o)
	if err != nil {
		t.Fatal(err)
	}
	passes(t, r)
	return told(r)
}

// passes wants nothing that supctl check finds fault with in a file itself.
func passes(t *testing.T, r *Result) {
	t.Helper()
	for _, n := range r.Report.Notes {
		if strings.HasPrefix(n.Text, "supctl check: ") {
			t.Errorf("%s %s", n.Text, n.Lines)
		}
	}
}

// one gives a piece with one program that has these lines beside its command and user.
func one(lines string) string {
	return "[program:web]\ncommand=/bin/web -x\ndirectory=/srv\nuser=www\n" + lines
}

// An option of a program has its place, and what means something else is told.
func TestOptions(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string // parts of the result, or not, with a ! before
	}{
		"defaults": {one(""), []string{
			"user = \"www\"\n", `command = "/bin/web -x"`, `directory = "/srv"`, `umask = "0022"`, `env_inherit = ["*"]`, `restart = "on-failure"`,
			`give_up_after = 4`, `backoff = { initial = "1s", reset = "0s" }`, `stop = [["TERM", "10s"]]`, "[rollout]\nstrategy = \"replace\"",
			"different: an end with success within startsecs", "different: HOME, USER", "web = shop/web.1", "!log =", "!ready", "!allow_root", "!no user",
		}},
		"always":          {one("autorestart=TRUE\n"), []string{"!restart =", "!an end with success"}},
		"never":           {one("autorestart=no\n"), []string{`restart = "never"`, "an end within startsecs is final", "!give_up_after"}},
		"one-off":         {one("autorestart=false\nstartsecs=0\n"), []string{`ready = { exit = true, timeout = "1h" }`, "!an end"}},
		"no startsecs":    {one("autorestart=true\nstartsecs=0\n"), []string{`backoff = { initial = "1s", max = "1s" }`, "!give_up", "!ready"}},
		"startsecs":       {one("startsecs=60\nstartretries=0\n"), []string{`ready = { uptime = "1m", timeout = "2m" }`, "give_up_after = 1\n"}},
		"exit codes":      {one("exitcodes=0, 2,0\n"), []string{"success_exit = [0, 2]"}},
		"no exit code":    {one("exitcodes=\n"), []string{"success_exit = []"}},
		"exit code 0":     {one("exitcodes=0\n"), []string{"!success_exit"}},
		"no autostart":    {one("autostart=off\n"), []string{"autostart = false"}},
		"stop":            {one("stopsignal=sigquit\nstopwaitsecs=90\nstopasgroup=yes\n"), []string{`stop = [["QUIT", "90s", "group"]]`}},
		"kill":            {one("stopsignal=9\nstopwaitsecs=30\n"), []string{`stop = [["KILL", "1s"]]`}},
		"no wait":         {one("stopwaitsecs=0\n"), []string{`stop = [["TERM", "1s"]]`}},
		"umask":           {one("umask=7\n"), []string{`umask = "0007"`}},
		"main umask":      {"[supervisord]\numask=027\nminfds=5000\nminprocs=100\n" + one(""), []string{`umask = "0027"`, "limits = { nofile = 5000 }"}},
		"log":             {one("stdout_logfile=/var/log/%(program_name)s.log\nstdout_logfile_maxbytes=0\n"), []string{`log = { file = "/var/log/web.log", max_size = 0 }`}},
		"log rotation":    {one("stdout_logfile_maxbytes=1536kb\nstdout_logfile_backups=0\n"), []string{`log = { max_size = "1536KiB", keep = 1 }`}},
		"log none":        {one("stdout_logfile=NONE\nredirect_stderr=true\n"), []string{`log = { to = "none" }`}},
		"log half":        {one("stdout_logfile=NONE\nstderr_logfile=/var/log/e.log\n"), []string{`log = { file = "/var/log/e.log" }`, "standard output was thrown away"}},
		"log stdout":      {one("stdout_logfile=/dev/fd/1\nredirect_stderr=1\n"), []string{`log = { to = "stdout" }`, "!standard error"}},
		"log both":        {one("stdout_logfile=/dev/stdout\nstderr_logfile=/dev/stderr\n"), []string{`log = { to = "stdout" }`, "it went to supervisord's standard error"}},
		"log same":        {one("stdout_logfile=/var/log/a\nstderr_logfile=/var/log/a\n"), []string{`log = { file = "/var/log/a" }`, "!standard error"}},
		"log apart":       {one("stdout_logfile=/var/log/a\nstderr_logfile=/var/log/b\n"), []string{`log = { file = "/var/log/a" }`, "it had a file of its own"}},
		"log syslog":      {one("stdout_logfile=syslog\n"), []string{`log = { to = "syslog", facility = "user" }`}},
		"log relative":    {one("stdout_logfile=web.log\n"), []string{`log = { file = "/web.log" }`}},
		"environment":     {one("environment=A=\"x, {y}\",B=\"%(ENV_HOME)s/%(process_num)d\",\n"), []string{`A = "x, {{y}}"`, `B = "{env.HOME}/0"`}},
		"own environment": {"[program:web]\ncommand=/bin/web %(ENV_A)s\nuser=www\nenvironment=A=\"1 2\"\n", []string{`command = "/bin/web 1 2"`}},
		"main environment": {"[supervisord]\nenvironment=TZ=\"UTC\",A=\"main\"\n" + one("environment=A=\"own\"\n"),
			[]string{`TZ = "UTC"`, `A = "own"`, "!main"}},
		"environment is expanded twice": {"[supervisord]\nenvironment=A=\"50%%%%\",B=\"%%(ENV_C)s\"\n" + one("environment=D=\"5%%\"\n"), []string{`A = "50%"`, `B = "{env.C}"`, `D = "5%"`}},
		"so is a log":                   {one("stdout_logfile=/var/log/%%(program_name)s-%%%%.log\n"), []string{`log = { file = "/var/log/web-%.log" }`}},
		"a command twice":               {one("") + "[program:web]\ncommand=/bin/other\n", []string{`command = "/bin/other"`, "never_worked: [program:web] has a command twice", "[web] [shop.conf:2]"}},
		"secret":                        {one("environment=API_TOKEN=\"abc$\\\",DB=\"postgres://u:pw@h/d\",N=\"1\"\n"), []string{"# file: shop.web.env\nAPI_TOKEN=\"abc\\$\\\\\"\nDB=\"postgres://u:pw@h/d\"\n", `env_file = "shop.web.env"`, `N = "1"`}},
		"secret in command":             {"[program:web]\ncommand=/bin/web --password=hunter2 --api-key k1 -v\nuser=www\n", []string{`command = "/bin/web --password={env.SECRET_1} --api-key {env.SECRET_2} -v"`, "SECRET_1=\"hunter2\"\nSECRET_2=\"k1\"\n", "converted: what looks like a secret"}},
		"secret by name":                {one("environment=API_TOKEN=\"%(ENV_API_TOKEN)s\"\n"), []string{`API_TOKEN = "{env.API_TOKEN}"`, "!env_file"}},
		"secret by reference": {"[supervisord]\nenvironment=MAIN_TOKEN=\"hunter1\"\n[program:web]\ncommand=/bin/web %(ENV_API_KEY)s %(ENV_MAIN_TOKEN)s\nuser=www\nenvironment=API_KEY=\"hunter2\",K=\"%(ENV_MAIN_TOKEN)s\"\n",
			[]string{`command = "/bin/web {env.API_KEY} {env.MAIN_TOKEN}"`, `K = "{env.MAIN_TOKEN}"`, "MAIN_TOKEN=\"hunter1\"\nAPI_KEY=\"hunter2\"\n", "!= \"hunter"}},
		"supd's variable":        {one("environment=XDG_RUNTIME_DIR=\"/tmp\"\n"), []string{"by_hand: the variable XDG_RUNTIME_DIR is set by supd", "!XDG_RUNTIME_DIR = "}},
		"percent":                {"[program:web]\ncommand=celery --hostname 'jobs@%%h'\nuser=www\n", []string{`command = "celery --hostname jobs@%h"`}},
		"braces":                 {"[program:web]\ncommand=find . -exec x {} +\nuser=www\n", []string{`command = "find . -exec x {{}} +"`}},
		"quotes":                 {"[program:web]\ncommand=nginx -g \"daemon off;\"\nuser=www\n", []string{`command = ["nginx", "-g", "daemon off;"]`}},
		"left out whole":         {one("environment=API_KEY=\"hunter2\"\nautostart=%(ENV_X)s\n"), []string{"by_hand: not converted: autostart has %(ENV_X)s", "!different", "!env_file", "![process"}},
		"cut in quotes":          {"[program:web]\ncommand=bash -c 'a ; b'\nuser=www\n", []string{"never_worked: the command was never started: a ' is not closed; supervisord takes \"; …\" off as a comment, also in quotes", "by_hand: not converted", "![process"}},
		"joined":                 {"[program:web]\ncommand=gunicorn \\\n  --bind x\nuser=www\n", []string{`command = "gunicorn --bind x"`, `different: a \ at the end`}},
		"indented":               {"[program:web]\ncommand=/bin/web\n  directory=/srv\nuser=www\n", []string{`command = "/bin/web directory=/srv"`, "never_worked: directory is indented"}},
		"misspelt":               {one("stdout_logfil=x\nnonsense=y\n"), []string{"stdout_logfil is no option of [program], and was ignored: stdout_logfile was meant?", "nonsense is no option of [program], and was ignored ["}},
		"twice":                  {one("priority=1\npriority=2\n"), []string{"priority is set twice", "shop.conf:6"}},
		"comment":                {one("stopwaitsecs=30 ; tasks take long\n"), []string{"!tasks take"}},
		"comment of nothing":     {one("stopwait\x7fsecs=30 ; tasks take long\n"), []string{"!tasks take"}},
		"comment of environment": {one("environment=A=\"1\" ; was hunter2\n"), []string{"!hunter2"}},
		"secret in comment":      {one("stopwaitsecs=30 ; password: hunter2\n"), []string{"!hunter2"}},
		"no user":                {"[program:web]\ncommand=/bin/web\n", []string{"user = \"root\"\nallow_root = true\n", `capabilities = ["@container"]`, "as_root: no user", "different: no directory"}},
		"main user":              {"[supervisord]\nuser=www\n[program:web]\ncommand=/bin/web\n", []string{"user = \"www\"\n", "!allow_root"}},
		"gosu":                   {"[program:web]\ncommand=gosu www /bin/web -x\nuser=root\n", []string{"user = \"www\"\n", `command = "/bin/web -x"`, "gosu is left out", "!allow_root"}},
		"su":                     {"[program:web]\ncommand=su www -c \"exec /bin/web\"\n", []string{"user = \"www\"\n", `command = ["/bin/sh", "-c", "exec /bin/web"]`, "!no user"}},
		"sshd":                   {"[program:sshd]\ncommand=/usr/sbin/sshd -D\nuser=root\n", []string{`capabilities = ["@container", "sys_chroot", "audit_write"]`, "!supctl check"}},
		"su with a shell":        {"[program:web]\ncommand=su - www -s /bin/bash -c \"exec /bin/web\"\n", []string{"user = \"www\"\n", `command = ["/bin/bash", "-l", "-c", "exec /bin/web"]`, "by_hand: write the home directory of www"}},
		"su of a known user":     {"[program:web]\ncommand=su www-data -c \"a b\"\n", []string{"user = \"www-data\"\n", `command = ["/usr/sbin/nologin", "-c", "exec a b"]`, "never_worked: su runs the shell of the user, which is /usr/sbin/nologin"}},
		"a login":                {"[program:web]\ncommand=su - root -c \"A=1 web x\"\nenvironment=B=\"2\"\ndirectory=/srv\n", []string{`command = ["/bin/bash", "-l", "-c", "A=1 exec web x"]`, `directory = "/root"`, "!B =", "!env_inherit", "different: su - begins as a login"}},
		"sudo with variables":    {"[program:web]\ncommand=sudo -u www A=1 B=%(ENV_X)s /bin/web\n", []string{"user = \"www\"\n", `command = "/bin/web"`, `A = "1"`, `B = "{env.X}"`, "different: the program has the whole"}},
		"another main user":      {"[supervisord]\nuser=www\n" + strings.Replace(one(""), "=www", "=root", 1) + "[program:b]\ncommand=/bin/b\n", []string{"by_hand: not converted: it never started, for supervisord ran as www", "[process.b]", "!process.web", "!root\""}},
		"sudo with options":      {"[program:web]\ncommand=sudo -H -E --user=www -g adm -- /bin/web -x\n", []string{"user = \"www\"\ngroup = \"adm\"\n", `command = "/bin/web -x"`, "!whole environment"}},
		"sudo as root":           {"[program:web]\ncommand=sudo /bin/web\n", []string{`command = "sudo /bin/web"`}},
		"nobody to become":       {"[program:web]\ncommand=gosu '' x\nuser=www\n[program:b]\ncommand=chpst -u www ''\nuser=www\n", []string{"[process.web]"}},
		"runuser":                {"[program:web]\ncommand=runuser -u www -- /bin/web -u x\n[program:b]\ncommand=chpst -u www:adm /bin/b\n", []string{"user = \"www\"\n", `command = "/bin/web -u x"`, "group = \"adm\"", `command = "/bin/b"`}},
		"other su":               {"[program:web]\ncommand=su --preserve-environment www\nuser=root\n", []string{"user = \"root\"\n"}},
		"gosu with group":        {"[program:web]\ncommand=gosu www:adm /bin/web\n", []string{"user = \"www\"\ngroup = \"adm\"\n", `command = "/bin/web"`}},
		"sudo":                   {"[program:web]\ncommand=sudo -u www /bin/web\nuser=other\n", []string{"user = \"other\"\n", `command = "sudo -u www /bin/web"`}},
		"assignment":             {"[program:web]\ncommand=A=1 /bin/web\nuser=www\n", []string{"never_worked: no shell runs"}},
		"script":                 {"[program:web]\ncommand=/srv/start.sh\nuser=www\n", []string{"converted: a script starts"}},
		"dependent": {one("dependent_startup=true\nautostart=false\ndependent_startup_wait_for=b:running c:exited\n") + "[program:b]\ncommand=b\nuser=www\n[program:c]\ncommand=c\nuser=www\nstartsecs=0\nautorestart=false\n[eventlistener:d]\ncommand=python3 -m supervisord_dependent_startup\nevents=PROCESS_STATE\n",
			[]string{`after = ["b", "c"]`, "!autostart = false", "dropped: [eventlistener:d]: supervisord-dependent-startup", "!exit_on", "!is no option"}},
		"renamed":              {"[program:Web.Server]\ncommand=/bin/web\nuser=www\n", []string{"[process.web-server]", "Web.Server = shop/web-server.1", "converted: names are"}},
		"case of keys":         {"[program:web]\nCommand: /bin/web\nUSER: www\n", []string{`command = "/bin/web"`}},
		"capture":              {one("stdout_events_enabled=true\n"), []string{"dropped: capture"}},
		"unknown section":      {one("[porgram:x]\ncommand=y\n"), []string{"never_worked: [porgram:x] is no section"}},
		"umask without effect": {"[supervisord]\nnodaemon=true\numask=027\ndirectory=/usr\n" + one(""), []string{`umask = "0022"`, "never_worked: umask of [supervisord]", "!directory = \"/usr\""}},
		"main misspelt":        {"[supervisord]\nunmask=0\nautorestart=true\n" + one(""), []string{"unmask is no option of [supervisord], and was ignored: umask was meant?"}},
		"inet":                 {"[inet_http_server]\nport=*:9001\npassword=hunter2\n" + one(""), []string{"by_hand: [inet_http_server] port=*:9001", "!hunter2"}},
		"control":              {"[unix_http_server]\nfile=/x\nchmod=770\nchown=root:deploy\n" + one(""), []string{"[control]\nmode = \"0770\"\ngroup = \"deploy\"\n"}},
		"none":                 {one("numprocs=0\n"), []string{"dropped: numprocs is 0", "![process"}},
		"priority":             {one("priority=1\n") + "[program:b]\ncommand=b\nuser=www\npriority=2\n", []string{"different: priority is left out", "[web b]", "!\nafter ="}},
		"same priority":        {one("priority=1\n") + "[program:b]\ncommand=b\nuser=www\npriority=1\n", []string{"!priority"}},
		"prepared by":          {one("priority=1\nstartsecs=0\nautorestart=false\n") + "[program:b]\ncommand=b\nuser=www\npriority=2\n", []string{`after = ["web"]`, "it waits until web has ended"}},
		"prepared by nobody":   {one("priority=1\nstartsecs=0\nautorestart=false\nautostart=false\n") + "[program:b]\ncommand=b\nuser=www\npriority=2\n", []string{"!after = [\"web\"]"}},
		"common environment":   {one("environment=A=\"1\",B=\"2\"\n") + "[program:b]\ncommand=b\nuser=www\nenvironment=A=\"1\"\n", []string{"[env]\nA = \"1\"\n", "[process.web.env]\nB = \"2\"\n", "![process.b.env]"}},
		"fcgi": {"[fcgi-program:web]\ncommand=/bin/web\nuser=www\nsocket=unix:///run/web.sock\nsocket_mode=0770\n[program:b]\ncommand=b\nuser=www\n",
			[]string{"[socket.web]\nlisten = \"unix:/run/web.sock\"\nuser = \"www\"\nmode = \"0770\"\n", `sockets = ["web"]`, `<&3", "/bin/web"]`, "![rollout]", "strategy = \"replace\"\n"}},
		"fcgi tcp": {"[fcgi-program:web]\ncommand=/bin/web\nuser=www\nsocket=tcp://localhost:9000\nsocket_backlog=5\n", []string{"listen = \"tcp:localhost:9000\"\nbacklog = 5\n", "!\nstrategy"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := converted(t, "shop.conf", test.text, Options{})
			wants(t, got, test.want)
		})
	}
}

// The number of a process is its slot, or each is a process of its own.
func TestNumbers(t *testing.T) {
	for name, test := range map[string]struct {
		lines string
		want  []string
	}{
		"from 0":        {"numprocs=3\nprocess_name=%(program_name)s_%(process_num)02d\n", []string{"--port 80{slot0:02}\"\n", "count = 3\n", "web:web_00 = shop/web.1\nweb:web_01 = shop/web.2\n"}},
		"from 1":        {"numprocs=3\nnumprocs_start=1\nprocess_name=w%(process_num)s\n", []string{"--port 80{slot:02}\"\n", "web:w3 = shop/web.3\n"}},
		"from 5":        {"numprocs=2\nnumprocs_start=5\nprocess_name=w%(process_num)d\n", []string{"[process.w5]", "--port 8005", "[process.w6]", "--port 8006", "different: each of the processes is one of its own", "web:w6 = shop/w6.1"}},
		"one":           {"numprocs_start=7\n", []string{"--port 8007", "!count", "web = shop/web.1"}},
		"the log":       {"numprocs=2\nprocess_name=%(process_num)d\nstdout_logfile=/var/log/web_%(process_num)d.log\n", []string{`file = "/var/log/web.log"`, "one log for all processes"}},
		"its directory": {"numprocs=2\nprocess_name=w%(process_num)d\ndirectory=/srv/%(process_num)d\n", []string{"[process.w0]", `directory = "/srv/0"`, `directory = "/srv/1"`, "!count"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := converted(t, "shop.conf", "[program:web]\ncommand=/bin/web --port 80%(process_num)02d\nuser=www\n"+test.lines, Options{})
			wants(t, got, test.want)
		})
	}
}

// A value that is known only where supervisord runs is wanted, where there is no variable
// for it; a program does not run as root for want of one.
func TestEnvironmentLacks(t *testing.T) {
	text := "[program:web]\ncommand=/bin/web %(ENV_N)s\nuser=%(ENV_WHO)s\n[program:b]\ncommand=b\nuser=www\nstdout_logfile=%(ENV_LOGS)s/b\n[program:c]\ncommand=c\nuser=www\n"
	got := converted(t, "shop.conf", text, Options{})
	for _, want := range []string{
		"by_hand: not converted: user has %(ENV_WHO)s, which is known only where supervisord runs: say --env WHO=VALUE [web]",
		"say --env LOGS=VALUE [b]", "[process.c]", "# 3 programs: 0 as before, 1 with a difference, 2 by hand",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s", want, got)
		}
	}
	if r := converted(t, "shop.conf", "[program:web]\ncommand=/bin/web %(ENV_API_TOKEN)s\nuser=www\n", Options{Env: map[string]string{"API_TOKEN": "hunter2"}}); strings.Contains(r, "hunter2") || !strings.Contains(r, "{env.API_TOKEN}") {
		t.Errorf("a secret of the command line: %s", r)
	}
	if strings.Contains(got, "[process.web]") || strings.Contains(got, "[process.b]") || strings.Contains(got, `"root"`) {
		t.Errorf("without the values: %s", got)
	}
	got = converted(t, "shop.conf", text, Options{Env: map[string]string{"WHO": "api", "LOGS": "/l", "N": "2 3"}})
	for _, want := range []string{`user = "api"`, `command = "/bin/web 2 3"`, `file = "/l/b"`, "0 by hand"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s", want, got)
		}
	}
}

// Apps are made of groups and files, and named after what says the most.
func TestApps(t *testing.T) {
	program := "[program:%s]\ncommand=x\nuser=www\n"
	dir := lay(t, map[string]string{
		"shop/supervisord.conf": "[supervisord]\nnodaemon=true\n[include]\nfiles=conf.d/*.conf none/*.ini\n" + strings.ReplaceAll(program, "%s", "main"),
		"shop/conf.d/b.conf":    strings.ReplaceAll(program, "%s", "b") + "directory=%(here)s\n[group:all-of-it]\nprograms=b, a\n[group:b]\nprograms=b\n",
		"shop/conf.d/a.conf":    strings.ReplaceAll(program, "%s", "a"),
		"shop/conf.d/c.txt":     "not included",
	})
	main := filepath.Join(dir, "shop/supervisord.conf")
	r, err := Convert([]string{filepath.Join(dir, "shop/conf.d/a.conf"), main}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := told(r)
	for _, want := range []string{
		"# file: all-of-it.toml", "# file: b.toml", "# file: shop.toml", "dropped: [include] none/*.ini: no such file",
		"all-of-it:b = all-of-it/b.1\n", "all-of-it:a = all-of-it/a.1\n", "b = b/b.1\n", "main = shop/main.1\n", `directory = "` + dir + `/shop/conf.d"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s", want, got)
		}
	}
	if strings.Count(got, "# file:") != 3 {
		t.Error(got)
	}
	r, err = Convert([]string{main}, Options{App: "all-one"})
	if err != nil || len(r.Apps) != 1 || r.Apps[0].Name != "all-one" || strings.Count(r.Apps[0].Text, "[process.") != 4 {
		t.Errorf("%v, %+v", err, r)
	}
}

// Pieces of conf.d are read as the one configuration that they were, with or without its
// main file, which may look for them elsewhere. Two main files are two configurations.
func TestPieces(t *testing.T) {
	dir := lay(t, map[string]string{
		"supervisord.conf": "[supervisord]\nenvironment=MAIN=\"1\"\n[include]\nfiles=/nowhere/*.conf\n",
		"other.conf":       "[supervisord]\n[program:web]\ncommand=/bin/web other\nuser=www\n",
		"conf.d/a.conf":    "[group:shop]\nprograms=web,jobs\n[program:web]\ncommand=/bin/web old\nuser=www\n",
		"conf.d/b.conf":    "[program:jobs]\ncommand=/bin/jobs\nuser=jobs\n[program:web]\ncommand=/bin/web new\n",
		"circus.ini":       "[circus]\nendpoint=x\n",
		"c.d/env.ini":      "[env:web]\nA=1\n",
		"c.d/web.ini":      "[watcher:web]\ncmd=/bin/web\nuid=www\n",
	})
	read := func(names ...string) string {
		t.Helper()
		for i, name := range names {
			names[i] = filepath.Join(dir, name)
		}
		r, err := Convert(names, Options{})
		if err != nil {
			t.Fatal(err)
		}
		passes(t, r)
		return told(r)
	}
	joined := []string{"# file: shop.toml\n# Converted from a.conf", `command = "/bin/web new"`, "[process.jobs]", "shop:web = shop/web.1", "shop:jobs = shop/jobs.1", "!web old", "a.conf:4"}
	wants(t, read("conf.d/a.conf", "conf.d/b.conf"), append(joined, "!MAIN"))
	wants(t, read("conf.d/a.conf", "supervisord.conf", "conf.d/b.conf"), append(joined, `MAIN = "1"`))
	wants(t, read("conf.d/a.conf", "supervisord.conf", "conf.d/b.conf", "other.conf"), append(joined, "!MAIN", `command = "/bin/web other"`, "3 programs"))
	wants(t, read("c.d/env.ini", "c.d/web.ini"), []string{`A = "1"`, "1 program"})
	wants(t, read("c.d/web.ini", "circus.ini", "c.d/env.ini"), []string{`A = "1"`, "1 program"})
}

// Files of the same name are told apart.
func TestSameNames(t *testing.T) {
	dir := lay(t, map[string]string{"a/site.conf": one(""), "b/site.conf": "[program:b]\ncommand=b\nuser=www\n", "b/other.conf": "[program:c]\ncommand=c\nuser=www\n"})
	r, err := Convert([]string{dir + "/a/site.conf", dir + "/b/site.conf", dir + "/b/other.conf"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, told(r), []string{dir + "/a/site.conf:4 " + dir + "/b/site.conf:3 other.conf:3]"})
}

// What ends supervisord, and other listeners.
func TestListeners(t *testing.T) {
	script := "#!/bin/sh\nwhile read line; do kill -QUIT $PPID; done\n"
	dir := lay(t, map[string]string{"listen": script, "mail": "#!/bin/sh\nmail root\n"})
	for name, test := range map[string]struct {
		listener string
		want     []string
	}{
		"by its name":    {"command=/x/kill-all\nevents=PROCESS_STATE_FATAL\n", []string{"exit_on = \"any-failed\"", `restart = "on-failure"`, "give_up_after = 4"}},
		"at every end":   {"command=/x/die.py\nevents=process_state_exited,PROCESS_STATE_FATAL\n", []string{"exit_on = \"any-failed\"", `restart = "never"`, "its end ended supervisord"}},
		"by its script":  {"command=" + dir + "/listen\nevents=PROCESS_STATE\n", []string{"exit_on"}},
		"another script": {"command=" + dir + "/mail\nevents=PROCESS_STATE_FATAL\n", []string{"!exit_on", "by_hand: [eventlistener:l] for PROCESS_STATE_FATAL"}},
		"of ticks":       {"command=/x/kill\nevents=TICK_60\n", []string{"!exit_on", "by_hand"}},
		"to stdout":      {"command=python -m supervisor_stdout\nevents=PROCESS_LOG\nresult_handler=supervisor_stdout:event_handler\n", []string{"dropped: [eventlistener:l]", "0 by hand"}},
		"memmon":         {"command=/usr/bin/memmon -a 200MB\nevents=TICK_60\n", []string{"by_hand: [eventlistener:l]: memmon"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := converted(t, "shop.conf", one("")+"[eventlistener:l]\n"+test.listener, Options{})
			wants(t, got, test.want)
		})
	}
}

// What supervisord refuses is refused with its line, all at once.
func TestRefused(t *testing.T) {
	dir := lay(t, map[string]string{"shop.conf": `[program:a b]
command=x
[program:b]
user=www
[program:c]
command=x
autostart=maybe
startsecs=5s
stopsignal=NOPE
stdout_logfile_maxbytes=50M
environment=A=b@c
exitcodes=1,x
umask=9
stopasgroup=true
killasgroup=false
autorestart=sometimes
[program:d]
command=x %(nothing)s
numprocs=x
[program:e]
command=50%
numprocs=2
[program:p]
command=x
user=
environment=A="%hunter2"
[group:g]
programs=b,zz
[fcgi-program:f]
command=x
socket=nowhere
[fcgi-program:f2]
command=x
[program:i]
command=x
user=x
  autostart=false
[supervisord]
environment=A="50%%"
`, "include.conf": "[include]\nfiles=%(nothing)s\n"})
	_, err := Convert([]string{filepath.Join(dir, "shop.conf"), filepath.Join(dir, "include.conf"), filepath.Join(dir, "none")}, Options{})
	for _, want := range []string{
		"shop.conf:1: [program:a b]", "shop.conf:3: [program:b] has no command", `shop.conf:7: autostart: "maybe"`, "shop.conf:8: startsecs", "shop.conf:9: stopsignal",
		"shop.conf:10: stdout_logfile_maxbytes", "shop.conf:11: environment", `shop.conf:12: exitcodes: "x"`, "shop.conf:13: umask", "shop.conf:15: stopasgroup",
		"shop.conf:16: autorestart", "shop.conf:19: numprocs", "shop.conf:20: numprocs is 2", "shop.conf:25: user: is empty", "shop.conf:26: environment: a % is no format", "shop.conf:28: programs: there is no [program:zz]",
		"shop.conf:31: socket", "shop.conf:32: [fcgi-program:f2] has no socket", "shop.conf:36: user: goes on in an indented line", "shop.conf:39: environment: supervisord expands it twice, and the second time a % is no format", "include.conf:2: files: %(nothing)s", "none: cannot be read: no such file",
	} {
		if err == nil || !strings.Contains(err.Error(), dir+"/"+want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value is told: %v", err)
	}
}

// What is no file is not waited for.
func TestNoFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "x.conf")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Convert([]string{pipe}, Options{}); err == nil || !strings.Contains(err.Error(), "x.conf: cannot be read: is not a regular file") {
		t.Error(err)
	}
	if _, err := Convert([]string{"/dev/null"}, Options{}); err == nil {
		t.Error("nothing is converted")
	}
}

// A template is refused with the line, and what only looks like one is not.
func TestTemplates(t *testing.T) {
	for line, is := range map[string]bool{
		"user={{ user }}": true, "{% if x %}": true, "command=<%= cmd %>": true, "port=${PORT}": true, "port=__PORT__": true, "user=%USERNAME%": true, "user=@USER@": true,
		"environment=DB_PASSWORD=\"${DB_PASSWORD:-hunter2hunter}\"": true,
		"; user={{ user }}": false, "command=bash -c 'exec x ${PORT}'": false, "command=celery -n w@%%h": false, "command=python -m __main__": false,
		"command=find . -exec x {} +": false, "command=x $PORT": false,
		"command=docker ps --format '{{.Names}}'": false, "command=docker inspect -f {{json .State}} x": false, "command=x --format {{ format }}": true,
		"command=x --format={{ .Values.format }}": true, "command=docker ps --format '{{.Names}}' {{ more }}": true, "environment=A=\"${HOME}/x\"": false, "environment=A=\"${HOME}/${X}\"": true,
	} {
		dir := lay(t, map[string]string{"shop.conf": one("") + line + "\n"})
		_, err := Convert([]string{filepath.Join(dir, "shop.conf")}, Options{})
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a value is told: %v", err)
		}
		if got := err != nil && strings.Contains(err.Error(), "shop.conf:5: ") && strings.Contains(err.Error(), "this is a template"); got != is {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Nothing of a strange file makes it fall over, and what comes out is TOML.
func FuzzConvert(f *testing.F) {
	samples, _ := filepath.Glob("testdata/samples/*")
	for _, sample := range samples {
		if text, err := os.ReadFile(sample); err == nil && !strings.HasSuffix(sample, ".golden") {
			f.Add(string(text))
		}
	}
	f.Add(one("numprocs=3\nprocess_name=%(process_num)02d\nenvironment=A=\"\x07{\"\n"))
	f.Fuzz(func(t *testing.T, text string) {
		c := &conversion{read: []string{"x"}}
		one := c.supervisord("x.conf")
		one.add("x.conf", text)
		one.include()
		one.convert()
		isTOML(t, c)
	})
}

// isTOML looks at what would be written.
func isTOML(t *testing.T, c *conversion) {
	if len(c.errors) > 0 {
		return
	}
	for _, a := range c.apps {
		if len(a.processes) == 0 {
			continue
		}
		var all map[string]any
		if err := toml.Unmarshal([]byte(a.text()), &all); err != nil {
			t.Errorf("%v\n%s", err, a.text())
		}
		for _, p := range a.processes {
			if problem := configs.AppNameProblem(p.name); problem != "" {
				t.Errorf("%s", problem)
			}
		}
	}
}

// Whoever owns a file keeps nobody waiting who converts it, nor sizes his memory.
func TestHeldFile(t *testing.T) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGIO) // it would end the one who holds the lease
	defer signal.Stop(told)
	dir := lay(t, map[string]string{"held.conf": "[program:a]\ncommand=/bin/a\n", "long.conf": strings.Repeat("#", mostBytes+1)})
	if _, err := Convert([]string{dir + "/long.conf"}, Options{}); err == nil || !strings.Contains(err.Error(), "long.conf: cannot be read: it has more than 4096 KiB") {
		t.Error(err)
	}
	holder, err := os.OpenFile(dir+"/held.conf", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := unix.FcntlInt(holder.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("no lease on this file system: %v", err)
	}
	if _, err := Convert([]string{dir + "/held.conf"}, Options{}); err == nil || !strings.Contains(err.Error(), "held.conf: cannot be read: resource temporarily unavailable") {
		t.Error(err)
	}
	if kills(dir + "/held.conf") {
		t.Error("a script was read")
	}
}
