package configs

import (
	"regexp/syntax"
	"strings"
	"testing"
)

// An expression that is let through is compiled to no more instructions than were counted.
func TestInstructions(t *testing.T) {
	for _, s := range []string{
		`ready`, `(?i)celery@\S+ ready\.`, `^\[\d{4}-\d\d-\d\d (\d\d:){2}\d\d,\d{3}: (INFO|DEBUG)/`, `a{1000}`, `a{3,}`, `a{0,}`, `(a{10}b?){10}c*d+`,
		`a{2,5}`, `(a|b|cd|[ef]|)`, `\pL{2,20}`, `.*x$`, `()`, `(?:){50}`, `\bup\b`, `[^\n]{0,30}`,
	} {
		parsed, err := syntax.Parse(s, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		counted := instructions(parsed)
		compiled, err := syntax.Compile(parsed.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(compiled.Inst) - 2; n > counted { // every one begins with a failure, and ends with a match
			t.Errorf("%s: %d instructions, counted were %d", s, n, counted)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for s, want := range map[string]string{
		strings.Repeat("a", 1000):            "",
		`.{400}(GET|POST) [^ ]{100}`:         "",
		strings.Repeat("a", 1001):            "a regular expression of 1001 bytes: want at most 1000; match a shorter part of the line",
		`(a{10}b){100}`:                      "a regular expression as large as one of 1300 letters, with each {n} written out: want at most 1000; repeat less in it",
		strings.Repeat(`\pL`, 300):           "a regular expression as large as one of 39600 letters",
		strings.Repeat("a{1000}", 100):       "a regular expression as large as one of 100000 letters",
		strings.Repeat("((a{9}){9}){9}", 60): "a regular expression as large as one of",
		`a{1001}`:                            "invalid repeat count: `{1001}` (RE2 syntax)",
		`(`:                                  "missing closing ): `(` (RE2 syntax)",
	} {
		if err := checkPattern(s); !strings.HasPrefix(told(err), want) || (err == nil) != (want == "") {
			t.Errorf("%.40s: %v, want %s", s, err, want)
		}
	}
}
