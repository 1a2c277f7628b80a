package convert

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// place is a line of a file.
type place struct {
	file string
	line int // from 1
}

// option is a setting of a section, as it is after the last line that sets it.
type option struct {
	place
	name     string // in lower case
	value    string // of several lines: with \n between them
	cut      string // what has been taken off a line as a comment, with its mark
	earlier  *place // where the same section had set it before
	indented []indent
}

// indent is a line that continues a value and looks as if it set another option.
type indent struct {
	place
	name string
}

// section is a [NAME], with what all places of that name say together.
type section struct {
	place
	name    string
	options []*option // in the order of their first lines
	again   []place   // where it goes on
}

func (s *section) option(name string) *option {
	if s == nil {
		return nil
	}
	for _, o := range s.options {
		if o.name == name {
			return o
		}
	}
	return nil
}

// ini is what files of sections say together, in the form of Python's configparser.
type ini struct {
	sections []*section
	defaults section // [DEFAULT], which holds in each of the others
	inline   bool    // " ;" and " #" begin a comment behind a value, as for supervisord
	keepCase bool    // of the names of options
}

func (f *ini) section(name string) *section {
	for _, s := range f.sections {
		if s.name == name {
			return s
		}
	}
	return nil
}

// reader is at a line of one file.
type reader struct {
	of      *ini
	at      place
	section *section
	option  *option
	indent  int // of the option, in characters
	errors  Errors
}

// read adds a file. Lines are as Python has them: \n, \r\n and \r end one.
func (f *ini) read(file, text string) Errors {
	errors := f.eachLine(file, text, (*reader).line)
	for _, s := range append(f.sections, &f.defaults) {
		for _, o := range s.options {
			o.value = strings.TrimRightFunc(o.value, isSpace)
		}
	}
	return errors
}

// eachLine reads the lines of a file one after the other.
func (f *ini) eachLine(file, text string, read func(r *reader, line string)) Errors {
	r := &reader{of: f, at: place{file: file}}
	if !utf8.ValidString(text) {
		return Errors{{File: file, Msg: "is not UTF-8 text"}}
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		r.at.line++
		read(r, line)
	}
	return r.errors
}

func (r *reader) fail(format string, args ...any) { r.errors.add(r.at, format, args...) }

func (r *reader) line(line string) {
	if r.isUnfit(line) {
		return
	}
	text, cut := line, ""
	if at := r.of.comment(line); at >= 0 {
		text, cut = line[:at], line[at:]
	}
	value := strings.TrimFunc(text, isSpace)
	if value == "" {
		if cut == "" && r.option != nil {
			r.option.value += "\n" // an empty line is one of the value, a comment is none
		}
		return
	}
	indent := 0
	for _, c := range line {
		if !isSpace(c) {
			break
		}
		indent++
	}
	if r.option != nil && indent > r.indent {
		r.option.value += "\n" + value
		r.option.cut += cut
		if name, _, is := cutOption(value); is && !strings.ContainsFunc(name, isSpace) {
			r.option.indented = append(r.option.indented, indented(r.at, name))
		}
		return
	}
	r.indent = indent
	if name, is := header(value); is {
		r.begin(name)
		return
	}
	r.set(value, cut)
}

// isUnfit refuses what stands for variables while a value is read.
func (r *reader) isUnfit(line string) bool {
	is := strings.ContainsFunc(line, reserved)
	if is {
		r.fail("has a character that stands for no text")
	}
	return is
}

func indented(at place, name string) indent { return indent{at, strings.ToLower(name)} }

// header takes the name out of [NAME], up to the last bracket of the line.
func header(value string) (string, bool) {
	end := strings.LastIndexByte(value, ']')
	if value[0] != '[' || end < 2 {
		return "", false
	}
	return value[1:end], true
}

func (r *reader) begin(name string) {
	r.option = nil
	if name == "DEFAULT" {
		r.section = &r.of.defaults
		return
	}
	if r.section = r.of.section(name); r.section != nil {
		r.section.again = append(r.section.again, r.at)
		return
	}
	r.section = &section{place: r.at, name: name}
	r.of.sections = append(r.of.sections, r.section)
}

func (r *reader) set(value, cut string) {
	name, value, is := cutOption(value)
	switch {
	case r.section == nil:
		r.fail("is before the first [section]%s", markedHint(r.at, name+value))
		return
	case !is || name == "":
		r.fail("is no [section], no NAME=VALUE and no comment")
		return
	}
	if !r.of.keepCase {
		name = strings.ToLower(name)
	}
	o := r.section.option(name)
	if o == nil {
		o = &option{name: name}
		r.section.options = append(r.section.options, o)
	} else {
		o.earlier = &place{o.file, o.line}
	}
	o.place, o.value, o.cut, o.indented = r.at, value, cut, nil
	r.option = o
}

func markedHint(at place, text string) string {
	if at.line == 1 && strings.HasPrefix(text, "\ufeff") {
		return "; the file begins with a byte order mark: take it off"
	}
	return ""
}

// cutOption cuts NAME=VALUE or NAME:VALUE.
func cutOption(line string) (name, value string, is bool) {
	at := strings.IndexAny(line, "=:")
	if at < 0 {
		return line, "", false
	}
	return strings.TrimRightFunc(line[:at], isSpace), strings.TrimFunc(line[at+1:], isSpace), true
}

// comment gives where the comment of a line begins, or -1. Behind a value one begins
// with a mark after a space. The marks are looked for in turn, the n-th of each at a time,
// so that a later "#" may hide an earlier " ;": as configparser does it.
func (f *ini) comment(line string) int {
	if text := strings.TrimLeftFunc(line, isSpace); text != "" && strings.IndexByte(";#", text[0]) >= 0 {
		return 0
	}
	if !f.inline {
		return -1
	}
	at := map[byte]int{';': -1, '#': -1}
	for found := -1; len(at) > 0; {
		for mark, from := range at {
			i := strings.IndexByte(line[from+1:], mark)
			if i < 0 {
				delete(at, mark)
				continue
			}
			at[mark] = from + 1 + i
			before, _ := utf8.DecodeLastRuneInString(line[:at[mark]])
			if (at[mark] == 0 || isSpace(before)) && (found < 0 || at[mark] < found) {
				found = at[mark]
			}
		}
		if found >= 0 {
			return found
		}
	}
	return -1
}

// isSpace reports what Python's str.isspace does.
func isSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

// reserved are the characters that stand for variables while a value is read. Unicode
// says that they are in no text.
func reserved(c rune) bool { return c >= firstMark && c <= lastMark || c == 0 }

const (
	firstMark = '\ufdd0'
	lastMark  = '\ufdef'
)
