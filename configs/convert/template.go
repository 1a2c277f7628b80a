package convert

import (
	"regexp"
	"strings"
)

// What a file holds that is still to be filled in, by jinja, Django and Helm, ERB and
// EJS, envsubst, or a script of somebody's.
var (
	blocks      = regexp.MustCompile(`\{\{|\{%|<%|%>`)
	braced      = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*[^}]*\}`)
	placeholder = regexp.MustCompile(`__[A-Z][A-Z0-9_]*__|%[A-Z][A-Z0-9_]+%|@[A-Z][A-Z0-9_]+@`)
	shell       = regexp.MustCompile(`(^|[\s=:"'/])(ba|da|k|z|a)?sh\s+(-\w+\s+)*-\w*c\b`)
)

// templates reports the lines that are still to be filled in. A variable in braces is
// one of a shell's where the file has one.
func (c *conversion) templates(file, text string) {
	lines := strings.Split(text, "\n")
	shells := isUnit(file) || isProcfile(file) || shell.MatchString(text)
	for i, line := range lines {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		found := blocks.FindString(line)
		if found == "" {
			found = placeholder.FindString(line)
		}
		if found == "" && !shells {
			found = braced.FindString(line)
		}
		if found != "" {
			c.errors.add(place{file, i + 1}, "%s: this is a template, fill it in first", found)
		}
	}
}
