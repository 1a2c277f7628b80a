package configs

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"  \t\n ", nil},
		{"a b\tc\nd", []string{"a", "b", "c", "d"}},
		{`a 'b c' "d e"`, []string{"a", "b c", "d e"}},
		{`a'b'"c"d`, []string{"abcd"}},
		{`'' ""`, []string{"", ""}},
		{`a\ b \'`, []string{"a b", "'"}},
		{`"\$HOME \" \\ \n"`, []string{`$HOME " \ \n`}},
		{`'\n'`, []string{`\n`}},
		{"a\\\nb", []string{"ab"}},
		{"\"a\\\nb\"", []string{"ab"}},
		{"$HOME # not a comment", []string{"$HOME", "#", "not", "a", "comment"}},
	}
	for _, test := range tests {
		got, err := Split(test.in)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("Split(%q): %v, -want +got:\n%s", test.in, err, diff)
		}
	}
	for in, want := range map[string]string{
		`a 'b`: "a ' is not closed", `a "b`: `a " is not closed`, `a \`: `ends with a \ that quotes nothing`, `"a\"`: `a " is not closed`,
	} {
		if _, err := Split(in); told(err) != want {
			t.Errorf("Split(%q): got %v, want %s", in, err, want)
		}
	}
}

// TestSplitAsShell compares with what a real shell makes of the same text.
func TestSplitAsShell(t *testing.T) {
	for _, in := range []string{
		`a 'b c' "d e"`, `x\ y "q\"r" 's'\''t'`, `"" '' a""b`, `"\a \\ \$ \"" \a`, "a\\\nb \"c\\\nd\"", `--opt="a b" -c'd e'`,
	} {
		out, err := exec.Command("/bin/sh", "-c", `printf '%s\0' `+in).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		got, err := Split(in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Split(%q): %v, -shell +got:\n%s", in, err, diff)
		}
	}
}

// FuzzSplit: words that are quoted come out as they were.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "a b", `a 'b c' "d \" e" \f`, "'", `"`, `\`, "a\\\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := Split(s)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, w := range words {
			again.WriteString(" '" + strings.ReplaceAll(w, "'", `'\''`) + "'")
		}
		got, err := Split(again.String())
		if diff := cmp.Diff(words, got); diff != "" || err != nil {
			t.Errorf("%q: %v, -want +got:\n%s", again.String(), err, diff)
		}
	})
}
