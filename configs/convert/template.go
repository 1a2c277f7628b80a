package convert

import (
	"regexp"
	"strings"
)

// What a file holds that is still to be filled in, by jinja, Django and Helm, ERB and
// EJS, envsubst, or a script of somebody's.
var (
	blocks      = regexp.MustCompile(`\{\{|\{%|<%|%>`)
	braced      = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)[^}]*\}`)
	placeholder = regexp.MustCompile(`__[A-Z][A-Z0-9_]*__|%[A-Z][A-Z0-9_]+%|@[A-Z][A-Z0-9_]+@`)
	logins      = regexp.MustCompile(`\$\{(HOME|USER|LOGNAME|SHELL|PATH|PWD)\}`)
	formats     = regexp.MustCompile(`(--format|--template|-f|go-template)[= ]+('[^']*'|"[^"]*"|\{\{.*?\}\}\S*|\S+)`)
	goTemplate  = regexp.MustCompile(`\{\{-?\s*(json\s+|range\s+|len\s+|upper\s+)?\.`)
	helm        = regexp.MustCompile(`\.(Values|Release|Chart)\b`)
	shell       = regexp.MustCompile(`(^|[\s=:"'/])(ba|da|k|z|a)?sh\s+(-\w+\s+)*-\w*c\b`)
)

// templates reports the lines that are still to be filled in. A variable in braces is
// one of a shell's where the file has one; those of a login nobody fills in.
func (c *conversion) templates(file, text string) {
	lines := strings.Split(text, "\n")
	shells := isUnit(file) || isProcfile(file) || shell.MatchString(text)
	for i, line := range lines {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		at := place{file, i + 1}
		line = formats.ReplaceAllStringFunc(line, withoutFormat)
		found := blocks.FindString(line)
		if found == "" {
			found = placeholder.FindString(line)
		}
		if found == "" && !shells {
			if login := logins.FindString(line); login != "" {
				c.report.add(Never, "", at, "no shell runs, and "+login+" is left as it is, braces and all")
				line = logins.ReplaceAllString(line, "")
			}
			if m := braced.FindStringSubmatch(line); m != nil {
				found = "${" + m[1] + "}" // without what it is otherwise, which may be a secret
			}
		}
		if found != "" {
			c.errors.add(at, "%s: this is a template, fill it in first", found)
		}
	}
}

// withoutFormat takes out an argument that is a template to the program itself, such as that
// of docker ps --format.
func withoutFormat(option string) string {
	if goTemplate.MatchString(option) && !helm.MatchString(option) {
		return ""
	}
	return option
}
