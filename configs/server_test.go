package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/privdrop"
)

// TestServersFile: each table is whole, and what it says of commands can be done.
func TestServersFile(t *testing.T) {
	var r report
	all := readServers(readFile(t, "servers.toml"), &r)
	if errs := r.sorted(); len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, s := range all {
		steps, ok := steps(input{s.Stop.Steps, &scope{report: &r}})
		if !ok || !slices.Contains(s.Stop.Signals, steps[0].Signal) || s.Stop.Other == "" {
			t.Errorf("%s.stop: the first step is none of signals, or other is missing", name)
		}
		if s.Stop.Option != "" && (s.Stop.Unit == 0 || s.Stop.Margin == 0) {
			t.Errorf("%s.stop: an option wants unit and margin", name)
		}
		if of := s.Sockets; of.Take == takeOption && len(of.Add)*len(of.Option) == 0 || of.Take == takeVariable && (of.Name == "" || of.Each == "") ||
			of.Take != takeListenFDs && of.Says == "" {
			t.Errorf("%s.sockets: how they are passed, or what is said without, is missing", name)
		}
		for _, p := range s.Presets {
			if p.Set == nil || p.Sockets != nil || p.Statsd || p.Count > 0 || len(p.Ready) > 0 || p.Strategy != "" || len(p.Reload) > 0 || len(p.Variable) > 0 || p.Versions != nil {
				t.Errorf("%s.preset: sets nothing, or by what is not known yet", name)
			}
		}
		for _, a := range s.Adds {
			if len(a.Add) == 0 || len(a.Option)+len(a.Absent) == 0 || a.Versions != nil {
				t.Errorf("%s.argument: adds nothing, or without looking whether it is there", name)
			}
		}
		for trap, k := range s.Traps {
			if k.Says == "" || k.Example == "" || k.Versions != nil && s.Package == "" {
				t.Errorf("%s.trap.%s: lacks says, example, or the server's package", name, trap)
			}
		}
	}
}

// TestServersFileIsRead strictly.
func TestServersFileIsRead(t *testing.T) {
	var r report
	readServers([]byte("[x]\ntitle = 1\nprogramms = []\n[x.trap.y]\nversions = \"25\"\nlacks = '('\n[x.sockets]\ntake = \"fd\"\n"), &r)
	checkWords(t, r.sorted().Error()+"\n", []string{
		"servers.toml:1: x: lacks one of title", "2: x.title: want a string", `3: x.programms: unknown key, did you mean "programs"?`,
		`5: x.trap.y.versions: "25": want bounds such as`, "6: x.trap.y.lacks: missing closing )", `8: x.sockets.take: "fd": want one of`,
	})
}

// versionOf gives a version that is within the bounds.
func versionOf(v versions) string {
	for _, b := range v {
		if b.operator == ">=" {
			return strings.Trim(strings.ReplaceAll(fmt.Sprint(b.than), " ", "."), "[]")
		}
	}
	return "0.0.1"
}

// TestServerTraps: the example of each trap falls into it, is told to do what helps, and
// does not with another version.
func TestServerTraps(t *testing.T) {
	for name, s := range servers() {
		for which, trap := range s.Traps {
			t.Run(name+"/"+which, func(t *testing.T) {
				warned := func(version, more string) bool {
					dir := lay(t, map[string]string{"venv/bin/x": ""})
					if s.Package != "" {
						put(t, dir, "venv/lib/python3.99/site-packages/"+strings.ReplaceAll(s.Package, "-", "_")+"-"+version+".dist-info/METADATA", "Metadata-Version: 2.1\nVersion: "+version+"\n\nVersion: 0\n")
					}
					text := "user = \"nobody\"\n[socket.web]\nlisten = \"unix:/run/web.sock\"\n[process.web]\ncommand = '''" + trap.Example + "'''\nvenv = \"" + dir + "/venv\"\n" + trap.With + "\n" + more
					if trap.condition.Sockets != nil && *trap.condition.Sockets {
						text += "sockets = [\"web\"]\n"
					}
					put(t, dir, "apps/app.toml", text)
					c, err := load(dir)
					if err != nil {
						t.Fatal(err)
					}
					says, _, _ := strings.Cut(trap.Says, "$")
					return slices.ContainsFunc(c.Traps(), func(w Warning) bool { return strings.HasPrefix(w.Msg, says) })
				}
				if !warned(versionOf(trap.Versions), "") {
					t.Error("the example does not fall into it")
				}
				if trap.Versions != nil && (warned("999", "") && warned("0.0.1", "")) {
					t.Error("the version does not matter")
				}
				if cured := !warned(versionOf(trap.Versions), "server = \""+name+"\"\n"); cured != (trap.Cured || trap.Fact) {
					t.Errorf("server = %q cures it: %v, want %v", name, cured, !cured)
				}
			})
		}
	}
}

// TestRecognise: a command is of one server, by whatever name.
func TestRecognise(t *testing.T) {
	for command, want := range map[string]string{
		"gunicorn x": "gunicorn", "gunicorn3 x": "gunicorn", "/srv/venv/bin/gunicorn-3.11 x": "gunicorn", "python3 -m gunicorn x": "gunicorn", "gunicornx": "",
		"uwsgi_python3 x": "uwsgi", "uwsgi-core": "uwsgi", "nice uvicorn x": "uvicorn",
		"celery -A x worker": "celery", "celery multi": "celery", "celery -A x beat": "celery-beat", "celery flower": "", "python manage.py celerybeat": "celery-beat",
		"python manage.py celery worker": "celery", "manage.py celeryd": "celery", "rqworker": "rq", "granian x": "granian", "hypercorn x": "hypercorn", "waitress-serve x": "waitress", "python -m waitress x": "waitress", "daphne x": "daphne",
		"dramatiq-gevent x": "dramatiq", "huey_consumer x": "huey", "python3 -m huey.bin.huey_consumer x": "huey", "manage.py run_huey": "huey", "arq x": "arq", "taskiq worker x": "taskiq",
		"procrastinate worker": "procrastinate", "manage.py procrastinate worker": "procrastinate", "procrastinate schema": "", "bundle exec puma": "puma", "nodejs x.js": "node", "php-fpm8.4": "php-fpm", "/usr/sbin/nginx": "nginx", "django-admin rqworker": "rq",
	} {
		argv, err := Split(command)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := levels(argv)
		last := all[len(all)-1]
		var found []string
		for name, s := range servers() {
			if recognise(last.name(), last.argv[1:]) == s {
				found = append(found, name)
			}
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// TestServer: what server = "…" brings is below whatever a file says.
func TestServer(t *testing.T) {
	const head = "user = \"nobody\"\n[socket.web]\nlisten = \"tcp:127.0.0.1:80\"\n[socket.log]\nlisten = \"udp:127.0.0.1:514\"\n[socket.api]\nlisten = \"unix:/run/api.sock\"\n[process.web]\n"
	type told struct {
		command, stop, ready, scratch, strategy string
		env                                     map[string]string
	}
	for _, test := range []struct {
		name, daemon, process string
		want                  told
	}{
		{"gunicorn", "", `command = "gunicorn x"`, told{command: "gunicorn x", stop: "TERM 35s"}},
		{"gunicorn, patient", "", `command = "gunicorn --graceful-timeout 300 x"`, told{command: "gunicorn --graceful-timeout 300 x", stop: "TERM 5m5s"}},
		{"gunicorn, impatient", "", `command = "gunicorn --graceful-timeout 3 x"`, told{command: "gunicorn --graceful-timeout 3 x", stop: "TERM 35s"}},
		{"gunicorn, preloaded", "", `command = "gunicorn --preload x"`, told{command: "gunicorn --preload x", stop: "TERM 35s", ready: "notify"}},
		{"gunicorn, asked", "", "command = \"gunicorn --preload x\"\nsockets = [\"web\"]\nready = { http = \"/\" }", told{command: "gunicorn --preload x", stop: "TERM 35s", ready: "http"}},
		{"gunicorn, dirty", "", `command = "gunicorn --dirty-workers 2 x"`, told{command: "gunicorn --dirty-workers 2 x", stop: "TERM 35s", scratch: "TMPDIR"}},
		{"gunicorn, dirty elsewhere", "", "command = \"gunicorn --dirty-workers 2 x\"\nenv = { TMPDIR = \"/x/{slot}-{generation}\" }", told{command: "gunicorn --dirty-workers 2 x", stop: "TERM 35s", env: map[string]string{"TMPDIR": "/x/{slot}-{generation}"}}},
		{"gunicorn, statsd", "", "command = \"gunicorn x\"\nstatsd = true", told{command: "gunicorn x --statsd-host {statsd}", stop: "TERM 35s"}},
		{"all of supd's", "[defaults.process]\nserver = \"gunicorn\"\nstop = [[\"TERM\", \"40s\"]]\n", `command = "gunicorn x"`, told{command: "gunicorn x", stop: "TERM 40s"}},
		{"the process's own", "", "command = \"gunicorn x\"\nstop = [[\"INT\", \"1s\"]]", told{command: "gunicorn x", stop: "INT 1s"}},
		{"another program", "", `command = "./start.sh"`, told{command: "./start.sh", stop: "TERM 35s"}},

		{"uvicorn", "", "command = \"uvicorn x\"\nsockets = [\"log\", \"web\"]", told{command: "uvicorn x --fd {socket.web}", stop: "TERM 30s", ready: "log"}},
		{"uvicorn, one of two", "", "command = \"uvicorn x\"\nsockets = [\"web\", \"api\"]", told{command: "uvicorn x --fd {socket.web}", stop: "TERM 30s", ready: "log"}},
		{"uvicorn, told", "", "command = \"uvicorn --fd 3 --log-level error x\"\nsockets = [\"web\"]", told{command: "uvicorn --fd 3 --log-level error x", stop: "TERM 30s"}},
		{"uvicorn, silent by a variable", "", "command = \"uvicorn x\"\nenv = { UVICORN_LOG_LEVEL = \"error\" }", told{command: "uvicorn x", stop: "TERM 30s", env: map[string]string{"UVICORN_LOG_LEVEL": "error"}}},
		{"uvicorn, loud", "", `command = "uvicorn --log-level debug x"`, told{command: "uvicorn --log-level debug x", stop: "TERM 30s", ready: "log"}},
		{"uvicorn, long", "", "command = \"uvicorn --timeout-graceful-shutdown 60 x\"", told{command: "uvicorn --timeout-graceful-shutdown 60 x", stop: "TERM 1m5s", ready: "log"}},
		{"uvicorn, in a shell", "", "command = [\"sh\", \"-c\", \"exec uvicorn x\"]\nsockets = [\"web\"]", told{command: "sh -c exec uvicorn x", stop: "TERM 30s", ready: "log"}},
		{"uvicorn, behind another", "", "command = \"nice python3 -m uvicorn x\"\nsockets = [\"web\"]", told{command: "nice python3 -m uvicorn x --fd {socket.web}", stop: "TERM 30s", ready: "log"}},

		{"celery", "", `command = "celery -A x worker"`, told{command: "celery -A x worker -n {process}{slot}-{generation}@%h", stop: "TERM 10m0s QUIT 10s"}},
		{"celery, named", "", `command = "celery -A x worker -l INFO -n a@b"`, told{command: "celery -A x worker -l INFO -n a@b", stop: "TERM 10m0s QUIT 10s", ready: "log"}},
		{"celery, with more", "", `command = "celery -A x worker -- -x"`, told{command: "celery -A x worker -n {process}{slot}-{generation}@%h -- -x", stop: "TERM 10m0s QUIT 10s"}},
		{"celery-beat", "", `command = "celery -A x beat"`, told{command: "celery -A x beat", stop: "TERM 10s", strategy: "replace"}},
		{"uwsgi", "", `command = "uwsgi --master x.ini"`, told{command: "uwsgi --master x.ini --hook-master-start unix_signal:15 gracefully_kill_them_all --need-app", stop: "TERM 1m5s"}},
		{"taskiq", "", `command = "taskiq scheduler x:s"`, told{command: "taskiq scheduler x:s", stop: "TERM 10m0s", strategy: "replace"}},
		{"dramatiq", "", `command = "dramatiq --worker-shutdown-timeout 900000 x"`, told{command: "dramatiq --worker-shutdown-timeout 900000 x", stop: "TERM 15m5s"}},
		{"huey", "", `command = "huey_consumer.py x.huey"`, told{command: "huey_consumer.py x.huey", stop: "INT 10m0s TERM 10s"}},
		{"hypercorn", "", "command = \"hypercorn x\"\nsockets = [\"web\"]\nready = { http = \"/\" }", told{command: "hypercorn x --graceful-timeout 30 --bind fd://{socket.web} --bind fd://{socket.probe}", stop: "TERM 35s", ready: "http"}},
		{"daphne", "", "command = \"daphne x\"\nsockets = [\"web\"]", told{command: "daphne x --fd {socket.web}", stop: "TERM 10s", ready: "log"}},
		{"waitress", "", `command = "waitress-serve --listen 127.0.0.1:80 x"`, told{command: "waitress-serve --listen 127.0.0.1:80 x", stop: "INT 15s", strategy: "replace"}},
		{"waitress, in code", "", "command = \"python3 x.py\"\nsockets = [\"web\"]", told{command: "python3 x.py", stop: "INT 15s"}},
		{"puma", "", "command = \"puma x.ru\"\nsockets = [\"web\"]", told{command: "puma x.ru --bind-to-activated-sockets only", stop: "TERM 35s"}},
		{"puma, alone", "", `command = "puma x.ru"`, told{command: "puma x.ru", stop: "TERM 35s"}},
		{"nginx", "", "command = \"nginx -c x\"\nsockets = [\"log\", \"web\"]", told{command: "nginx -c x", stop: "QUIT 30s", env: map[string]string{"NGINX": "{socket.web};"}}},
		{"nginx, told", "", "command = \"nginx -c x\"\nsockets = [\"web\"]\nenv = { NGINX = \"3;\" }", told{command: "nginx -c x", stop: "QUIT 30s", env: map[string]string{"NGINX": "3;"}}},
		{"php-fpm", "", "command = \"php-fpm8.4 -y x\"\nsockets = [\"web\"]", told{command: "php-fpm8.4 -y x --nodaemonize", stop: "QUIT 30s", env: map[string]string{"FPM_SOCKETS": "127.0.0.1:80={socket.web},"}}},
		{"php-fpm, of two", "", "command = \"php-fpm8.4 -F\"\nsockets = [\"web\", \"api\"]", told{command: "php-fpm8.4 -F", stop: "QUIT 30s", env: map[string]string{"FPM_SOCKETS": "127.0.0.1:80={socket.web},/run/api.sock={socket.api},"}}},
		{"rq", "", `command = "rq worker"`, told{command: "rq worker", stop: "TERM 10m0s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			process := test.process + "\n"
			if name, _, _ := strings.Cut(test.name, ","); servers()[name] != nil {
				process += "server = \"" + name + "\"\n"
			} else if test.daemon == "" {
				process += "server = \"gunicorn\"\n"
			}
			c, err := load(lay(t, map[string]string{"supd.toml": test.daemon, "apps/app.toml": head + process}))
			if err != nil {
				t.Fatal(err)
			}
			p := c.Apps[0].Processes[0]
			got := told{command: strings.Join(p.Command, " "), ready: p.Ready.kind(), scratch: strings.Join(p.Scratch, " "), strategy: string(p.Strategy), env: p.Env}
			for _, step := range p.Stop {
				got.stop = strings.TrimSpace(got.stop + " " + strings.TrimPrefix(SignalName(step.Signal), "SIG") + " " + step.Wait.String())
			}
			if got.ready == "uptime" {
				got.ready = ""
			}
			if test.want.env == nil {
				test.want.env = map[string]string{}
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(told{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestServerIsNamed as the command says.
func TestServerIsNamed(t *testing.T) {
	_, err := load(lay(t, map[string]string{"apps/app.toml": "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nserver = \"gunicron\"\n"}))
	if want := `apps/app.toml:4: process.web.server: "gunicron": nothing is known of such a server, did you mean "gunicorn"?`; !strings.HasPrefix(told(err), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	c, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"celery beat\"\nserver = \"gunicorn\"\nstrategy = \"replace\"\nstop = [[\"TERM\", \"5s\"]]\n")
	told, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"huey x\"\nserver = \"huey\"\nstop = [[\"TERM\", \"5s\"]]\n")
	if got := fmt.Sprint(told.Traps()); strings.Contains(got, "or server") || !strings.Contains(got, "TERM gives up") {
		t.Errorf("got %s, want no word of what is there", got)
	}
	checkWords(t, fmt.Sprintln(c.Traps()), []string{`4: process.web.server: the command starts celery beat: write "celery-beat"`})
}

// TestServerChanges: a diff tells of what a server brings, too.
func TestServerChanges(t *testing.T) {
	const head = "user = \"nobody\"\n[process.web]\ncommand = \"celery beat\"\n"
	before, _ := loadApp(t, head)
	after, _ := loadApp(t, head+"server = \"celery-beat\"\n")
	want := []KeyChange{{"server", "", `"celery-beat"`}, {"stop", `[["TERM", "30s"]]`, `[["TERM", "10s"]]`}, {"strategy", "", `"replace"`}}
	if diff := cmp.Diff(want, CompareProcess(&before.Apps[0], &after.Apps[0], "web")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestServerOfRelease: a release may name it, and the app's file may say otherwise.
func TestServerOfRelease(t *testing.T) {
	c, v := layRelease(t, "[process.web]\nstop = [[\"TERM\", \"50s\"]]\n[process.beat]\n", map[string]string{
		"supd.toml": "[process.web]\ncommand = \"gunicorn --preload x\"\nserver = \"gunicorn\"\n[process.beat]\ncommand = \"celery beat\"\nserver = \"celery-beat\"\n",
	})
	a, err := c.With("app", v)
	if err != nil {
		t.Fatal(err)
	}
	if p := a.Processes[1]; p.Stop[0].Wait != 50*time.Second || !p.Ready.Notify {
		t.Errorf("got %+v", p)
	}
	if p := a.Processes[0]; p.Strategy != StrategyReplace {
		t.Errorf("got %+v", p)
	}
}

// TestInstalled reads the version of the environment that the command is from.
func TestInstalled(t *testing.T) {
	const headers = "Metadata-Version: 2.1\nName: x\nVersion: "
	dir := lay(t, map[string]string{
		"one/lib/python3.11/site-packages/gunicorn-25.1.0.dist-info/METADATA":  headers + "25.1.0\n\n" + strings.Repeat("x", 1<<20),
		"one/lib/python3.11/site-packages/gunicorn_extra-9.dist-info/METADATA": headers + "9\n",
		"two/lib/python3.9/dist-packages/gunicorn-26.0.egg-info":               headers + "26.0\n",
		"old/lib/python3.9/dist-packages/gunicorn-20.egg-info/PKG-INFO":        headers + "20\n",
		"bad/lib/python3.9/site-packages/gunicorn-20.dist-info/METADATA":       "\nVersion: 20\n",
		"sub/lib/python3.9/site-packages/gunicorn-20.dist-info/METADATA/x":     "",
		"link/lib/python3.9/site-packages/gunicorn-20.dist-info/x":             "",
		"secret": headers + "3\n",
	})
	if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(dir, "link/lib/python3.9/site-packages/gunicorn-20.dist-info/METADATA")); err != nil {
		t.Fatal(err)
	}
	for process, want := range map[string]string{
		"command = \"gunicorn x\"\nvenv = \"DIR/one\"": "25.1.0", "command = \"DIR/two/bin/gunicorn x\"\nvenv = \"DIR/one\"": "26.0",
		"command = \"DIR/old/bin/python -m gunicorn x\"": "20", "command = \"nice python3 -m gunicorn x\"\nvenv = \"DIR/one\"": "25.1.0",
		"command = \"DIR/bad/bin/gunicorn x\"": "", "command = \"DIR/sub/bin/gunicorn x\"": "", "command = \"DIR/link/bin/gunicorn x\"": "", "command = \"DIR/none/bin/gunicorn x\"": "",
	} {
		put(t, dir, "apps/app.toml", "user = \"nobody\"\n[process.web]\n"+strings.ReplaceAll(process, "DIR", dir)+"\n")
		c, err := load(dir)
		if err != nil {
			t.Fatal(err)
		}
		tr := newTrap(c, &c.Apps[0], &c.Apps[0].Processes[0], newForeign())
		if got := tr.installed(tr.server); got != want {
			t.Errorf("%s: %q, want %q", process, got, want)
		}
	}
}

// TestInstalledIsOfTheApp: where the app's user may lead root elsewhere, nothing is read
// that this user may not read.
func TestInstalledIsOfTheApp(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal("needs root, and SUPD_TEST_REQUIRE is set")
		}
		t.Skip("only root has more rights than an app")
	}
	nobody, err := privdrop.Lookup(privdrop.Identity{User: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	dir := lay(t, map[string]string{
		"closed/METADATA": "Version: 1\n", "open/METADATA": "Version: 2\n",
		"apps/app.toml": "user = \"nobody\"\n[process.web]\ncommand = \"gunicorn x\"\nvenv = \"../venv\"\ndirectory = \".\"\n",
	})
	site := filepath.Join(dir, "venv/lib/python3.9/site-packages")
	if err := errors.Join(os.Chmod(filepath.Join(dir, "closed"), 0o700), os.MkdirAll(site, 0o755), os.Chown(site, nobody.UID, nobody.GID)); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"closed": "", "open": "2"} {
		link := filepath.Join(site, "gunicorn-1.dist-info")
		if err := errors.Join(os.RemoveAll(link), os.Symlink(filepath.Join(dir, target), link)); err != nil {
			t.Fatal(err)
		}
		c, err := load(dir)
		if err != nil {
			t.Fatal(err)
		}
		tr := newTrap(c, &c.Apps[0], &c.Apps[0].Processes[0], newForeign())
		if got := tr.installed(tr.server); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]string{
		"25.1": "+- ", "25.1.0": "+- ", "25.0.9": " - ", "26.0.1": "+- ", "26.1": "-+ ", "26.1rc1": "-+ ", "27": "-+ ", "": "  +",
	} {
		got := ""
		for _, bounds := range []string{">= 25.1, < 26.1", ">= 26.1", "? >= 999"} {
			v, ok := readVersions(input{&value{Kind: aString, Text: bounds}, &scope{report: &report{}}})
			if !ok {
				t.Fatal(bounds)
			}
			if v.hold(version) {
				got += "+"
			} else {
				got += "-"
			}
		}
		want = strings.ReplaceAll(want, " ", "-")
		if got != want {
			t.Errorf("%q: %s, want %s", version, got, want)
		}
	}
}
