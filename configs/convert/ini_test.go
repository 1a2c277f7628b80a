package convert

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asked has Python do what a function here does, for all texts at once.
func asked(t *testing.T, program string, texts []string) []any {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to compare with")
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", "import sys, json\n"+program+"\njson.dump([one(text) for text in json.load(sys.stdin)], sys.stdout)")
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	var all []any
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

var iniTexts = []string{
	"",
	"[program:web]\ncommand=/bin/x\n",
	"[program:web]\r\ncommand = /bin/x\r\n  -a\r\n",
	"[a]\nx=1\n[b]\ny=2\n[a]\nx=3\nz=4\n",
	"[a]\nX: 1\nx = 2\n",
	"[a]\nx=/bin/nginx -g \"daemon off;\"\n",
	"[a]\nx=bash -c 'a ; b'\n",
	"[a]\nx=one #two ;three\n",
	"[a]\nx=1;b ;c #d\n",
	"[a]\nx=1#b #c ;d\n",
	"[a]\nx=1\t;c\n",
	"[a]\n;x=1\n#y=2\n  ; z=3\nw=4\n",
	"[a]\nx=1\n\n\n  2\n\ny=3\n",
	"[a]\nx=1\n  ; comment\n  2 ; other\n",
	"[a]\nx=\n  1\n  2\n",
	"[a]\n  x=1\n  y=2\n   z=3\nw=4\n",
	"[a]\nx = a = b : c\n",
	"[a] rest\nx=1\n",
	"[a] ] z]\nx=1\n",
	"[ a ]\nx=1\n",
	"[]\nx=1\n",
	"x=1\n",
	"[a]\nnothing\n",
	"[a]\n= value\n",
	"[a]\nx\n  =1\n",
	"[DEFAULT]\nd=1\n[a]\nx=2\n",
	"[a]\nx=1\rb=2\n",
	"[a]\nx=\u00a0é\u00a0\n",
	"\ufeff[a]\nx=1\n",
	"[a]\nx=%(ENV_Y)s%%\n",
	"[a]\nx=1\n[a]\n  y=2\n",
	"[a]\nx=1\n\n[b]\n",
	"[a]\nx y=1\n",
	"[a]\nx=1\x0b2\n",
	"[a]\nx=a\\\n  b\n",
}

const pythonsINI = `
import configparser
def one(text):
    p = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'), strict=False)
    try:
        p.read_string(text.replace('\r\n', '\n').replace('\r', '\n'))
    except configparser.Error:
        return None
    return {s: dict(p._sections[s]) for s in p.sections()}
`

// What configparser reads is what is read here.
func TestINI(t *testing.T) {
	for i, want := range asked(t, pythonsINI, iniTexts) {
		if diff := cmp.Diff(want, readINI(iniTexts[i])); diff != "" {
			t.Errorf("%q: -python +here:\n%s", iniTexts[i], diff)
		}
	}
}

// readINI gives what JSON makes of it, or nil where it cannot be read.
func readINI(text string) any {
	f := &ini{inline: true}
	if len(f.read("x", text)) > 0 {
		return nil
	}
	all := map[string]any{}
	for _, s := range f.sections {
		options := map[string]any{}
		for _, o := range s.options {
			options[o.name] = o.value
		}
		all[s.name] = options
	}
	return all
}

// Of each setting it is known where it was written, also of one that is written again.
func TestINIPlaces(t *testing.T) {
	f := &ini{inline: true}
	if errs := f.read("x.conf", "[a]\nx=1\n\n[b]\n[a]\nx=2 ; why\n  y = 3\n"); len(errs) > 0 {
		t.Fatal(errs)
	}
	o := f.section("a").option("x")
	if o.line != 6 || o.earlier == nil || o.earlier.line != 2 || len(o.indented) != 1 || o.indented[0].name != "y" {
		t.Errorf("%+v", o)
	}
}

// An error has its line.
func TestINIErrors(t *testing.T) {
	f := &ini{inline: true}
	errs := f.read("x.conf", "a=1\n[s]\nb\n\x00=2\nc=1\n")
	want := "x.conf:1: is before the first [section]\nx.conf:3: is no [section], no NAME=VALUE and no comment\nx.conf:4: has a character that stands for no text"
	if errs.Error() != want {
		t.Errorf("%s", errs)
	}
	if errs := f.read("x.conf", "\ufeff[s]\n"); !strings.Contains(errs.Error(), "byte order mark") {
		t.Errorf("%s", errs)
	}
	if errs := f.read("x.conf", "[s]\nb=\xff\n"); !strings.Contains(errs.Error(), "UTF-8") {
		t.Errorf("%s", errs)
	}
}

func FuzzINI(f *testing.F) {
	for _, text := range iniTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := &ini{inline: true}
		for _, e := range in.read("x", text) {
			if e.Line < 0 || e.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+1 || e.Msg == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
