package main

import (
	"fmt"
	"regexp"
	"strings"
)

// page is one manual page.
type page struct {
	name    string
	section int
	short   string // what it is, for whatis(1)
	body    string // roff after NAME; or only .so
	also    string // SEE ALSO
}

func (p page) text(e edition) string {
	if strings.HasPrefix(p.body, ".so ") {
		return p.body
	}
	return fmt.Sprintf(".TH %s %d %s %s\n.SH NAME\n%s \\- %s\n%s.SH SEE ALSO\n%s\n", strings.ToUpper(p.name), p.section,
		quoted(e.date), quoted(e.version), escape(p.name), escape(p.short), p.body, escape(p.also))
}

func quoted(s string) string { return `"` + strings.ReplaceAll(escape(s), `"`, `\(dq`) + `"` }

// escape makes roff of text: a hyphen that can be copied as one, a backslash that is
// one, and no line that is a request.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func heading(s string) string    { return ".SH " + quoted(strings.ToUpper(s)) + "\n" }
func subheading(s string) string { return ".SS " + quoted(s) + "\n" }
func paragraph(s string) string  { return ".PP\n" + s + "\n" }
func bullet(s string) string     { return ".IP \\(bu 2\n" + s + "\n" }

// term is a word, in bold already, and what it means.
func term(word, meaning string) string { return ".TP\n" + word + "\n" + meaning + "\n" }

func bold(s string) string { return `\fB` + s + `\fR` }

// verbatim keeps the lines as they are.
func verbatim(lines []string) string {
	return ".PP\n.RS 4\n.nf\n" + escape(strings.Join(lines, "\n")) + "\n.fi\n.RE\n"
}

var (
	code = regexp.MustCompile("`[^`]+`")
	link = regexp.MustCompile(`\[([^]]+)\]\([^)]+\)`)
	star = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// inline makes roff of a line of Markdown. Code is bold, as in other manual pages,
// and nothing in it is markup.
func inline(s string) string {
	var b strings.Builder
	words := func(s string) {
		s = link.ReplaceAllString(s, "$1")
		s = star.ReplaceAllStringFunc(escape(s), func(m string) string { return bold(strings.Trim(m, "*")) })
		b.WriteString(s)
	}
	at := 0
	for _, found := range code.FindAllStringIndex(s, -1) {
		words(s[at:found[0]])
		b.WriteString(bold(escape(s[found[0]+1 : found[1]-1])))
		at = found[1]
	}
	words(s[at:])
	return b.String()
}
