package convert

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestProcfile(t *testing.T) {
	for line, want := range map[string][]string{
		"web: gunicorn app:app -b 0.0.0.0:80":   {`command = "gunicorn app:app -b 0.0.0.0:80"`, "[process.web]", `stop = [["TERM", "30s", "group"]]`, `env_inherit = ["*"]`, "web = site/web", "user = \"root\"", "as_root: a Procfile names no user", `PORT = "5000"`},
		"web: gunicorn --bind :$PORT app:app":   {`command = ["/bin/sh", "-c", "exec gunicorn --bind :$PORT app:app"]`, `PORT = "5000"`, "converted: PORT is"},
		"web: exec x ${PORT:-1} {}":             {`"exec x ${{PORT:-1}} {{}}"]`, `PORT = "5000"`},
		"web: a && b":                           {`command = ["/bin/sh", "-c", "a && b"]`, "different: a shell runs"},
		"web: A=1 B='x y' API_KEY=k1 run 'a b'": {`command = ["run", "a b"]`, `A = "1"`, `B = "x y"`, "API_KEY=\"k1\"", "!API_KEY = "},
		"web: run --token=k1 $X":                {`exec run --token={env.SECRET_1} $X`, "SECRET_1=\"k1\""},
		`web: A="x y" B="" run`:                 {`command = "run"`, `A = "x y"`, `B = ""`},
		"web: A=$HOME B=\"$HOME x\" run y":      {`command = ["/bin/sh", "-c", "A=$HOME B=\"$HOME x\" exec run y"]`},
		"web: PORT=7 run":                       {`PORT = "7"`, `!PORT = "5000"`},
		"release: x\nweb: y":                    {`PORT = "5100"`},
		"  web: x\nother: y":                    {"never_worked: what is no NAME: COMMAND", "!process.web"},
		"release: ./migrate":                    {"by_hand: not converted: what runs before a release", "![process"},
		"Web_1: x":                              {"[process.web_1]"},
		"a: x $PORT\nb: y $PORT":                {`PORT = "5000"`, `PORT = "5100"`},
	} {
		got := converted(t, "site/Procfile", "# comment\n\n"+line+"\n", Options{})
		for _, want := range want {
			without, not := strings.CutPrefix(want, "!")
			if not == strings.Contains(got, without) {
				t.Errorf("%s: %q: %s", line, want, got)
			}
		}
	}
	got := converted(t, "site/Procfile", "web: x $PORT\n", Options{User: "www", Directory: "/srv", Env: map[string]string{"PORT": "80"}})
	for _, want := range []string{`user = "www"`, `directory = "/srv"`, `PORT = "80"`} {
		if !strings.Contains(got, want) || strings.Contains(got, "PORT is") {
			t.Errorf("%q: %s", want, got)
		}
	}
}

// What foreman reads beside it is read, too.
func TestProcfileDotenv(t *testing.T) {
	dir := lay(t, map[string]string{"site/Procfile": "web: x\n", "site/.env": "A=1\n"})
	r, err := Convert([]string{filepath.Join(dir, "site/Procfile")}, Options{User: "www"})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(r); !strings.Contains(got, `env_file = "`+dir+`/site/.env"`) || !strings.Contains(got, `directory = "`+dir+`/site"`) {
		t.Errorf("%s", got)
	}
}

// What foreman passes over is passed over, and told.
func TestProcfileOddLines(t *testing.T) {
	got := converted(t, "site/Procfile", "web x\nb:\nc: x\n", Options{})
	wants(t, got, []string{"never_worked: what is no NAME: COMMAND is passed over [] [Procfile:1 Procfile:2]", "[process.c]"})
	dir := lay(t, map[string]string{"Procfile": "web x\n"})
	if _, err := Convert([]string{filepath.Join(dir, "Procfile")}, Options{}); err == nil || !strings.Contains(err.Error(), "Procfile: has no NAME: COMMAND") {
		t.Error(err)
	}
}

// PORT of .env is that of the first line.
func TestProcfilePort(t *testing.T) {
	dir := lay(t, map[string]string{"site/Procfile": "web: x $PORT\nmore: x $PORT\n", "site/.env": "A=1\nPORT=\"8000\"\n"})
	for env, first := range map[string]string{"": "8000", "9000": "9000"} {
		o := Options{User: "www", Env: map[string]string{}}
		if env != "" {
			o.Env["PORT"] = env
		}
		r, err := Convert([]string{filepath.Join(dir, "site/Procfile")}, o)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, told(r), []string{`PORT = "` + first + `"`, `PORT = "` + first[:1] + `100"`})
	}
	if _, err := Convert([]string{filepath.Join(dir, "site/Procfile")}, Options{Env: map[string]string{"PORT": "x"}}); err == nil || !strings.Contains(err.Error(), `--env PORT: "x" is no number`) {
		t.Error(err)
	}
}

func FuzzProcfile(f *testing.F) {
	f.Add("web: A=1 B='2' gunicorn --bind :$PORT 'x y' && z\nrelease: x\nw: celery {}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := &conversion{read: []string{"x"}}
		c.procfile("site/Procfile", text)
		isTOML(t, c)
	})
}
