package convert

import (
	"strings"
	"unicode/utf8"
)

// readCircus adds a file as circus reads it: comments begin in the first column, or with
// " ;" behind a value; of two settings the first holds, also over files.
func (f *ini) readCircus(file, text string) Errors {
	return f.eachLine(file, text, (*reader).circusLine)
}

func (r *reader) circusLine(line string) {
	value := strings.TrimFunc(line, isSpace)
	first, _ := utf8.DecodeRuneInString(line)
	switch name, isHeader := circusHeader(line); {
	case value == "" || first == '#' || first == ';' || strings.EqualFold(strings.Fields(line)[0], "rem") && first != ' ' && first != '\t':
	case r.isUnfit(line):
	case isSpace(first) && r.option != nil:
		r.option.value += "\n" + value
	case isHeader:
		r.begin(name)
	default:
		r.setFirst(line)
	}
}

// circusHeader takes the name out of [NAME], which begins in the first column.
func circusHeader(line string) (string, bool) {
	if line == "" {
		return "", false
	}
	return header(line)
}

func (r *reader) setFirst(line string) {
	if name, _, is := cutOption(line); is && r.section != nil {
		if o := r.section.option(name); o != nil {
			r.option = o // lines that continue this one are still added to the first
			return
		}
	}
	value, cut := line, ""
	if at := strings.IndexByte(line, ';'); at > 0 && isSpace(rune(line[at-1])) {
		value, cut = line[:at], line[at:]
	}
	r.set(strings.TrimFunc(value, isSpace), cut)
	if r.option != nil && r.option.value == `""` {
		r.option.value = ""
	}
}
