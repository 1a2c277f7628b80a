package main_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// page is a page in lines, and the steps in its fences.
type page struct {
	lines []string
	steps []step
}

// step is one thing to do.
type step struct {
	line    int    // of the page, from 1 on
	file    string // to write
	command string // to type
	text    string // of the file; what the command prints
}

const (
	fence  = "```"
	prompt = "$ "
)

// readPage reads the fences of a page, also those in comments. One of the kind "console" has
// commands behind "$ ", each with what it prints. Every other is a whole file, whose first line,
// or the second after #!, is a comment with its path. There is no third kind: nobody would
// have tried what it says.
func readPage(text string) (*page, error) {
	p := &page{lines: strings.SplitAfter(text, "\n")}
	for at := 0; at < len(p.lines); at++ {
		kind, opens := strings.CutPrefix(p.lines[at], fence)
		if !opens {
			continue
		}
		from := at + 1
		length := slices.IndexFunc(p.lines[from:], func(line string) bool { return strings.HasPrefix(line, fence) })
		if length < 0 {
			return nil, fmt.Errorf("line %d: a fence that is not closed", at+1)
		}
		read := fileIn
		if kind == "console\n" {
			read = commandsIn
		}
		steps, err := read(p.lines[from : from+length])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", at+1, err)
		}
		for _, s := range steps {
			s.line += from
			p.steps = append(p.steps, s)
		}
		at = from + length
	}
	return p, nil
}

var filePath = regexp.MustCompile(`^(#!.*\n)?# (/\S+|~/\S+)\n`)

func fileIn(lines []string) ([]step, error) {
	text := strings.Join(lines, "")
	m := filePath.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("a fence that is neither commands nor a file")
	}
	return []step{{line: 1, file: m[2], text: text}}, nil
}

func commandsIn(lines []string) (steps []step, err error) {
	for i, line := range lines {
		switch command, is := strings.CutPrefix(line, prompt); {
		case is:
			steps = append(steps, step{line: i + 1, command: strings.TrimSuffix(command, "\n")})
		case len(steps) == 0:
			return nil, fmt.Errorf("output before a command")
		default:
			steps[len(steps)-1].text += line
		}
	}
	return steps, nil
}

// with gives the page with what steps, by their index, print instead.
func (p *page) with(printed map[int]string) string {
	lines := slices.Clone(p.lines)
	for i, s := range slices.Backward(p.steps) { // so that the lines before it stay where they are
		if text, is := printed[i]; is {
			lines = slices.Replace(lines, s.line, s.line+strings.Count(s.text, "\n"), text)
		}
	}
	return strings.Join(lines, "")
}

// vary matches what differs from one run to the next, and what may be there instead.
var vary = []struct{ example, pattern *regexp.Regexp }{
	{regexp.MustCompile(`…`), regexp.MustCompile(`.*`)},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d`), regexp.MustCompile(`\d{4}-\d\d-\d\d`)},
	{regexp.MustCompile(`\b[A-Z][a-z]{2} +\d+ +\d\d:\d\d\b`), regexp.MustCompile(`[A-Z][a-z]{2} +\d+ +\d\d:\d\d`)}, // of ls(1)
	{regexp.MustCompile(`\b\d+:\d\d(:\d\d)?\b`), regexp.MustCompile(`\d+:\d\d(:\d\d)?`)},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(h|ms|m|µs|s))+\b`), regexp.MustCompile(`(\d+(\.\d+)?(h|ms|m|µs|s))+`)},
	{regexp.MustCompile(`\bpids? \d+`), regexp.MustCompile(`pids? \d+`)},
	{regexp.MustCompile(` +`), regexp.MustCompile(` +`)},
}

// expected is the pattern of an output that a page shows: "…" is any text, or alone in
// its line any lines; pids, times, durations and the width of gaps may be others.
func expected(text string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`^`)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "…" {
			b.WriteString(`(.*\n)*`)
			continue
		}
		for line != "" {
			from, to, pattern := len(line), len(line), ""
			for _, v := range vary {
				if at := v.example.FindStringIndex(line); at != nil && at[0] < from {
					from, to, pattern = at[0], at[1], v.pattern.String()
				}
			}
			b.WriteString(regexp.QuoteMeta(line[:from]) + pattern)
			line = line[to:]
		}
		b.WriteString(`\n`)
	}
	b.WriteString(`$`)
	return regexp.MustCompile(b.String())
}

func TestReadPage(t *testing.T) {
	const text = "# A page\n```toml\n# /etc/a.toml\nb = 1\n```\n<!--\n```sh\n#!/bin/sh\n# ~/run\n```\n-->\n```console\n$ a\n$ b c\none\n\ntwo\n```\nend\n"
	p, err := readPage(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []step{
		{line: 3, file: "/etc/a.toml", text: "# /etc/a.toml\nb = 1\n"},
		{line: 8, file: "~/run", text: "#!/bin/sh\n# ~/run\n"},
		{line: 13, command: "a"},
		{line: 14, command: "b c", text: "one\n\ntwo\n"},
	}
	if diff := cmp.Diff(want, p.steps, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	changed := strings.NewReplacer("$ a\n", "$ a\nA\nB\n", "one\n\ntwo\n", "").Replace(text)
	if got := p.with(map[int]string{2: "A\nB\n", 3: ""}); got != changed {
		t.Errorf("with other output it is %q", got)
	}
	for _, wrong := range []string{"```\na\n```\n", "```toml\na = 1\n```\n", "```console\nout\n```\n", "```console\n$ a\n"} {
		if _, err := readPage(wrong); err == nil {
			t.Errorf("%q is taken for a page", wrong)
		}
	}
}

func TestExpected(t *testing.T) {
	for _, test := range []struct {
		page, printed string
		want          bool
	}{
		{"a/web.1   RUNNING   pid 7, uptime 0:00:02\n", "a/web.1 RUNNING     pid 4711, uptime 12:10:01\n", true},
		{"a/web.1   RUNNING   pid 7, uptime 0:00:02\n", "a/web.2   RUNNING   pid 7, uptime 0:00:02\n", false},
		{"ready after 1.5s\n", "ready after 20ms\n", true},
		{"on 2026-01-01 at 10:00\n", "on 2027-12-31 at 23:59\n", true},
		{"root 0 Nov 29 06:48 /a\n", "root 0 Dec  1 02:15 /a\n", true},
		{"root 0 Nov 29 06:48 /a\n", "root 0 Dec  1 02:15 /b\n", false},
		{"a\n…\nd\n", "a\nb\nc\nd\n", true},
		{"a\n…\nd\n", "a\nd\n", true},
		{"a\n…\nd\n", "a\nb\n", false},
		{"a … c\n", "a b c\n", true},
		{"a … c\n", "a b\nc\n", false},
		{"a.c\n", "abc\n", false},
		{"", "", true},
		{"", "a\n", false},
		{"a\n", "a\nb\n", false},
	} {
		if got := expected(test.page).MatchString(test.printed); got != test.want {
			t.Errorf("the page says %q, printed is %q: %t", test.page, test.printed, got)
		}
	}
}
