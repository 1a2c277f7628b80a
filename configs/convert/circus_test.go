package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// circus' reader is another one than supervisord's.
func TestCircusINI(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"[a]\nx=1 ; c\ny=1;b ;c\nz = 1 #c\n":  {"x": "1", "y": "1;b ;c", "z": "1 #c"},
		"[a]\nx=1\nx=2\n[b]\n[a]\nx=3\ny=4\n": {"x": "1", "y": "4"},
		"[a]\nx=1\n\n  2\n# c\n  3\nrem 4\n":  {"x": "1\n2\n3"},
		"[a]\nx=\"\"\ny=\n;z=1\n":             {"x": "", "y": ""},
		"[a]\nX: 1\n  ; 2\n":                  {"x": "1\n; 2"},
		"[a]\nx=1\nx=2\n  3\n":                {"x": "1\n3"},
	} {
		f := &ini{}
		if errs := f.readCircus("x", text); len(errs) > 0 {
			t.Errorf("%q: %v", text, errs)
			continue
		}
		got := map[string]string{}
		for _, o := range f.section("a").options {
			got[o.name] = o.value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", text, diff)
		}
	}
	f := &ini{}
	if errs := f.readCircus("x", "a=1\n[b]\nc\n"); errs.Error() != "x:1: is before the first [section]\nx:3: is no [section], no NAME=VALUE and no comment" {
		t.Errorf("%s", errs)
	}
}

// An option of a watcher has its place, and what means something else is told.
func TestWatcher(t *testing.T) {
	for name, test := range map[string]struct {
		text string // behind a watcher with a uid
		want []string
	}{
		"defaults":      {"", []string{"user = \"www\"\n", `command = "/bin/web -x"`, `umask = "0022"`, `stop = [["TERM", "30s"]]`, "[rollout]", "web = site/web\n", "!restart = ", "!env_inherit", "different: no working_dir", "different: the output is in the log"}},
		"more":          {"args=-y \"a b\"\nnumprocesses=3\nworking_dir=/srv\nautostart=false\nrespawn=0\ngid=adm\n", []string{`command = ["/bin/web", "-x", "-y", "a b"]`, "count = 3\n", `directory = "/srv"`, "autostart = false", `restart = "never"`, "group = \"adm\"\n"}},
		"umask":         {"[circus]\numask=002\n", []string{`umask = "0002"`}},
		"stop":          {"stop_signal=int\ngraceful_timeout=2.5\nstop_children=1\nsend_hup=yes\n", []string{`stop = [["INT", "2.5s", "group"]]`, `reload_signal = "HUP"`}},
		"limits":        {"rlimit_nofile=300\nrlimit_core=\nrlimit_cpu=5\n", []string{`limits = { nofile = 300, core = "unlimited" }`, "dropped: rlimit_cpu"}},
		"shell":         {"shell=True\n", []string{`command = ["/bin/sh", "-c", "/bin/web -x"]`}},
		"stdout":        {"stdout_stream.class=StdoutStream\n", []string{`log = { to = "stdout" }`}},
		"file":          {"stdout_stream.class=circus.stream.FileStream\nstdout_stream.filename=/l/a\n", []string{`log = { file = "/l/a", max_size = 0 }`}},
		"two files":     {"stdout_stream.class=FileStream\nstdout_stream.filename=/l/a\nstderr_stream.class=FileStream\nstderr_stream.filename=/l/b\n", []string{`file = "/l/a"`, "standard error goes where"}},
		"other stream":  {"stdout_stream.class=my.Stream\n", []string{"by_hand: stdout_stream.class=my.Stream"}},
		"environment":   {"copy_env=True\n[env]\nlang=C\n[env:we*, x]\npath=/x:$PATH\nA={}$(circus.env.lang)\n[env:other]\nB=1\n", []string{`lang = "C"`, `path = "/x:{env.PATH}"`, `A = "{{}}C"`, `env_inherit = ["*"]`, "!B = "}},
		"no copy_env":   {"[env]\nP=$PATH$NAME\n", []string{`P = "{env.PATH}{env.NAME}"`, `env_inherit = ["NAME", "PATH"]`}},
		"secret":        {"[env]\ndb_password=hunter2\n", []string{"# file: site.web.env\ndb_password=\"hunter2\"\n", "!DB_PASSWORD = "}},
		"secret in cmd": {"args=$(circus.env.token)\n[env]\ntoken=hunter2\n", []string{`command = "/bin/web -x {env.token}"`, "token=\"hunter2\"\n", "!= \"hunter"}},
		"secret beside": {"args=$(circus.env.db)\n[env]\ndb=postgres://u:hunter2x@$DBHOST/$(circus.env.name)\nno_proxy=a\nNO_PROXY=b\n", []string{`db = "postgres://u:{env.SECRET_1}@{env.DBHOST}/{env.NAME}"`, `command = "/bin/web -x {env.db}"`, `no_proxy = "a"`, `NO_PROXY = "b"`, "SECRET_1=\"hunter2x\"\n", "!db=", "!u:hunter2x"}},
		"a shell":       {"shell=1\nargs=&& more > out\n", []string{`command = ["/bin/sh", "-c", "/bin/web -x && more > out"]`, "never_worked: circus quotes each word"}},
		"relative log":  {"stdout_stream.class=FileStream\nstdout_stream.filename=log/x\n", []string{`file = "/log/x"`, "different: a relative path of a log"}},
		"variables":     {"args=$(circus.wid) $(CIRCUS.env.N) ((circus.env.n)) $(circus.other)\n", []string{`command = "/bin/web -x {slot} {env.N} {env.N} $(circus.other)"`, `env_inherit = ["N"]`, "different: $(circus.wid)"}},
		"known":         {"numprocesses=$(circus.env.workers)\ngraceful_timeout=((circus.env.PATIENCE))\nrlimit_nofile=$(circus.env.FILES)\n", []string{"count = 3\n", `stop = [["TERM", "7s"]]`, "nofile = 99"}},
		"unknown count": {"numprocesses=$(circus.env.other)\nmax_retry=5\n", []string{"by_hand: not converted: numprocesses has $(circus.env.other), which is known only where circus runs: say --env OTHER=VALUE", "![process"}},
		"unknown dir":   {"working_dir=$(circus.env.home)\n", []string{"by_hand: not converted: working_dir has $(circus.env.home)", "![process"}},
		"venv":          {"virtualenv=/v\n", []string{`venv = "/v"`, "different: venv"}},
		"sockets":       {"args=--fd $(circus.sockets.Web.1)\nuse_sockets=True\n[socket:web.1]\nhost=::1\nport=80\nbacklog=5\n[socket:b]\npath=/run/b\n", []string{"[socket.web-1]\nlisten = \"tcp:[::1]:80\"\nbacklog = 5\n", `--fd {socket.web-1}"`, `sockets = ["web-1"]`, "![rollout]", "![socket.b]"}},
		"all sockets":   {"use_sockets=True\n[socket:a]\nport=80\ntype=SOCK_DGRAM\n[socket:b]\npath=/run/b\n", []string{`listen = "udp:localhost:80"`, "listen = \"unix:/run/b\"\nmode = \"0660\"\n", `sockets = ["a", "b"]`, "different: the socket's mode"}},
		"a port":        {"use_sockets=True\n[socket:a]\nhost=127.0.0.1\nso_reuseport=True\n", []string{`listen = "tcp:127.0.0.1:8080"`, "different: so_reuseport"}},
		"no limit":      {"rlimit_nofile=\nrlimit_nproc=\n", []string{`limits = { nofile = 1048576, nproc = "unlimited" }`, "different: rlimit_nofile"}},
		"small letters": {"use_sockets=True\n[socket:a]\ntype=sock_dgram\nport=53\ninterface=eth1\nreplace=True\n", []string{`listen = "udp:localhost:53"`, "by_hand: interface", "different: replace of a socket"}},
		"by time":       {"stdout_stream.class=TimedRotatingFileStream\nstdout_stream.filename=/var/log/t\nstdout_stream.rotate_when=H\nstdout_stream.rotate_interval=12\nstdout_stream.backup_count=7\nstdout_stream.time_format=%Y\n", []string{`max_age = "12h0m0s"`, "keep = 7", "different: time_format", "different: the log is rotated after"}},
		"started with":  {"args=$(circus.env.ARGS)\n", []string{`{env.ARGS}`, "different: $(circus.env.ARGS): supd has to be started with ARGS"}},
		"no socket":     {"args=$(circus.sockets.a)\n", []string{"by_hand: not converted: there is no [socket:a]"}},
		"hooks":         {"hooks.before_start=a.b\n", []string{"by_hand: hooks.before_start is Python"}},
		"plugin":        {"[plugin:x]\nuse=a.B\n", []string{"by_hand: [plugin:x] use=a.B"}},
		"misspelt":      {"numproceses=2\n", []string{"never_worked: numproceses is no option of [watcher], and was ignored: numprocesses was meant?"}},
		"priority":      {"priority=2\nwarmup_delay=1\n", []string{"different: priority", "dropped: warmup_delay"}},
		"argument 0":    {"executable=/bin/x\nclose_child_stdout=1\n", []string{"by_hand: executable is left out", "dropped: close_child_stdout"}},
		"no uid":        {"[watcher:b]\ncmd=b\n", []string{"[process.b]\nuser = \"root\"\n", `capabilities = ["@container"]`, "as_root: no uid"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := converted(t, "site.ini", "[watcher:web]\ncmd=/bin/web -x\nuid=www\n"+test.text, Options{Env: map[string]string{"WORKERS": "3", "PATIENCE": "7", "FILES": "99"}})
			wants(t, got, test.want)
		})
	}
}

// Of what several files say the first holds.
func TestCircusIncludes(t *testing.T) {
	dir := lay(t, map[string]string{
		"site.ini": "[circus]\ninclude=a.ini none.ini\ninclude_dir=d\n[watcher:web]\ncmd=/bin/web\nuid=www\n",
		"a.ini":    "[watcher:web]\ncmd=/bin/other\nnumprocesses=2\n",
		"d/b.ini":  "[watcher:b]\ncmd=/bin/b\nuid=www\n",
	})
	r, err := Convert([]string{filepath.Join(dir, "site.ini")}, Options{App: "site"})
	if err != nil {
		t.Fatal(err)
	}
	got := told(r)
	for _, want := range []string{`command = "/bin/web"`, "count = 2", `command = "/bin/b"`, "dropped: include none.ini: no such file"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s", want, got)
		}
	}
}

func TestCircusErrors(t *testing.T) {
	dir := lay(t, map[string]string{"site.ini": "[watcher:a]\nuid=x\n[watcher:b]\ncmd=x 'y\nnumprocesses=many\nrespawn=maybe\nstop_signal=NO\nrlimit_nofile=x\n[watcher:c]\ncmd=c\nuid=x\nnumprocesses=2\nsingleton=1\n"})
	_, err := Convert([]string{filepath.Join(dir, "site.ini")}, Options{})
	for _, want := range []string{"site.ini:1: [watcher:a] has no cmd", "site.ini:4: cmd", "site.ini:5: numprocesses", "site.ini:6: respawn", "site.ini:7: stop_signal", "site.ini:8: rlimit_nofile", "site.ini:13: singleton"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzCircus(f *testing.F) {
	for _, sample := range []string{"testdata/samples/d09-chaussette.ini", "testdata/samples/d10-circus-no-sockets.ini"} {
		if text, err := os.ReadFile(sample); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := &conversion{read: []string{"x"}}
		one := c.circus("x.ini")
		one.add("x.ini", text)
		one.include()
		one.convert()
		isTOML(t, c)
	})
}
