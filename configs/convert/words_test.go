package convert

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var commands = []string{
	"", "a", " a  b\tc\n", `a "b c" 'd e'`, `a"b"c'd'`, `a "" ''`, `a \" \' \\ \  b`, `"a \" \\ \$ \x"`, `'a \' b`,
	`nginx -g "daemon off;"`, `bash -c "a `, `a '`, `a \`, `a#b #c`, `--x="1, 2"`, "é \u00a0 b", `a\b`, `"a` + "\n" + `b"`, "a\rb",
	`jobs@%h --app={x}`, "''a", "\x0b",
}

const pythonsWords = `
import shlex
def one(text):
    try:
        return shlex.split(text)
    except ValueError:
        return None
`

func TestWords(t *testing.T) {
	for i, want := range asked(t, pythonsWords, commands) {
		var got any
		if all, joined, err := words(commands[i]); err == nil && !joined {
			got = anys(all)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: -python +here:\n%s", commands[i], diff)
		}
	}
}

func anys(all []string) any {
	some := []any{}
	for _, s := range all {
		some = append(some, s)
	}
	return some
}

// What was meant by a \ at a line's end is done, and told.
func TestWordsJoined(t *testing.T) {
	got, joined, err := words("gunicorn \\\n--bind x \\\n--y 'a\\\nb'")
	want := []string{"gunicorn", "--bind", "x", "--y", "a\\\nb"}
	if diff := cmp.Diff(want, got); diff != "" || !joined || err != nil {
		t.Errorf("joined %v, %v, -want +got:\n%s", joined, err, diff)
	}
}

var environments = []string{
	"", `A="1"`, `A=1,B='2'`, `A="1",B="2",`, "A=\"1\",\n B=\"2\",\n", `A="a,b=c"`, `A=/x/.+-():y`, `A=a@b`, `A=`, `A`, `A=1 B=2`, `A="it's"`, `A='"x"'`,
	`A=b"c d"`, `A="1"x,B=2`, `A="\n"`, `A="x\"y"`, "A=1#c\n,B=2", `=1`, `A==1`, `A="é"`, `A=é`, `A B="1"`, `A="1",,B="2"`, `A="1" "2"`, `A:b="1"`,
}

const pythonsAssignments = `
import shlex
def one(text):
    try:
        lexer = shlex.shlex(text)
        lexer.wordchars += '/.+-():'
        tokens = list(lexer)
    except ValueError:
        return None
    found = {}
    while tokens:
        if len(tokens) < 3 or tokens[1] != '=':
            return None
        found[tokens[0]] = tokens[2].strip('\'"')
        del tokens[:4]
    return found
`

func TestAssignments(t *testing.T) {
	for i, want := range asked(t, pythonsAssignments, environments) {
		var got any
		if all, err := assignments(environments[i]); err == nil {
			found := map[string]any{}
			for _, v := range all {
				found[v.name] = v.value
			}
			got = found
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: -python +here:\n%s", environments[i], diff)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range append(commands, environments...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if all, _, err := words(s); err != nil && len(all) > 0 {
			t.Errorf("%q and an error", all)
		}
		_, _ = assignments(s)
	})
}
