package convert

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// supervisord converts a supervisord.conf with its includes, or a piece of conf.d.
type supervisord struct {
	*conversion
	file   string
	ini    *ini
	main   *section   // [supervisord]; nil in a piece
	env    []variable // of [supervisord], with marks
	marks  *marks
	killer *killer // listens for ends of programs, to end supervisord

	printed bool // a listener prints what programs print, where they have events of it

	startedAll []started
}

func (c *conversion) supervisord(file string) site {
	return &supervisord{conversion: c, file: file, ini: &ini{inline: true}, marks: &marks{}}
}

func (s *supervisord) add(file, text string) { s.errors = append(s.errors, s.ini.read(file, text)...) }

func (s *supervisord) convert() {
	s.main = s.ini.section("supervisord")
	s.daemon()
	s.listeners()
	s.programs()
	s.order()
	s.servers()
	s.common()
}

// include reads what [include] names: each pattern in turn, its files by name.
func (s *supervisord) include() {
	o := s.ini.section("include").option("files")
	if o == nil {
		return
	}
	files, err := s.expansion(o).expand(o.value)
	if err != nil {
		s.fail(o, err)
		return
	}
	dir := filepath.Dir(absolute(s.file))
	for _, pattern := range strings.Fields(files) {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(dir, pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			s.report.add(Dropped, "", o.place, "[include] "+below(dir, pattern)+": no such file here; convert it where there is one")
			continue
		}
		slices.Sort(found)
		for _, file := range found {
			if slices.Contains(s.read, absolute(file)) {
				continue // by another pattern, or itself
			}
			if text, ok := s.text(file); ok {
				s.add(file, text)
			}
		}
	}
}

// below shortens a path that is below a directory.
func below(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// expansion is what every option may use. %(here)s is the directory of its own file.
func (s *supervisord) expansion(o *option) expansion {
	host, _ := os.Hostname()
	known := map[string]string{"here": filepath.Dir(absolute(o.file)), "host_node_name": host}
	for name, value := range s.options.Env {
		known["ENV_"+name] = value
	}
	return expansion{known: known}
}

func (s *supervisord) fail(o *option, err error) { s.errors.add(o.place, "%s: %s", o.name, err) }

// groups gives the sections of programs by the group that they run in: those of each
// [group:x], in its order, and then all that are in none, each a group of its own.
func (s *supervisord) groups() (all []member) {
	grouped := map[*section]bool{}
	for _, section := range s.ini.sections {
		group, is := strings.CutPrefix(section.name, "group:")
		o := section.option("programs")
		switch {
		case !is:
		case o == nil:
			s.errors.add(section.place, "[%s] has no programs", section.name)
		default:
			for _, m := range s.members(strings.TrimSpace(group), o) {
				grouped[m.section] = true
				all = append(all, m)
			}
			s.priorities(section, o)
		}
	}
	for _, section := range s.ini.sections {
		if isProgram(section.name) && !grouped[section] {
			all = append(all, member{"", section.file, section})
		}
	}
	return all
}

// member is a program as a part of a group; "" is none but its own.
type member struct {
	group   string
	file    string // which says so
	section *section
}

func isProgram(section string) bool {
	return strings.HasPrefix(section, "program:") || strings.HasPrefix(section, "fcgi-program:")
}

func (s *supervisord) members(group string, o *option) (all []member) {
	names, err := s.expansion(o).expand(o.value)
	if err != nil {
		s.fail(o, err)
	}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		section := s.ini.section("program:" + name)
		if section == nil {
			section = s.ini.section("fcgi-program:" + name)
		}
		if section == nil {
			s.errors.add(o.place, "programs: there is no [program:%s]", name)
			continue
		}
		all = append(all, member{group, o.file, section})
	}
	return all
}

func (s *supervisord) priorities(group *section, programs *option) {
	if o := group.option("priority"); o != nil && o.value != "999" {
		s.report.add(Dropped, "", o.place, "priority of a group: apps are started at the same time; `after` orders the processes of one")
	}
}

func (s *supervisord) programs() {
	for _, m := range s.groups() {
		p := &program{supervisord: s, section: m.section, group: m.group, from: m.file}
		p.convert()
		if !p.done && p.old != "" {
			s.report.leftOut(p.old)
		}
	}
}

// integer reads what Python's int does, but for digits of other scripts.
func integer(s string) (int, bool) {
	n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimFunc(s, isSpace), "_", ""))
	return n, err == nil
}

func truth(s string) (yes, ok bool) {
	switch strings.ToLower(s) {
	case "yes", "true", "on", "1":
		return true, true
	case "no", "false", "off", "0":
		return false, true
	}
	return false, false
}

// bytes reads a size of supervisord's: KB, MB, GB, which are powers of 1024 there.
func bytes(s string) (int64, bool) {
	s = strings.ToLower(s)
	unit := int64(1)
	for i, suffix := range []string{"kb", "mb", "gb"} {
		if digits, is := strings.CutSuffix(s, suffix); is {
			s, unit = digits, 1<<(10*(i+1))
			break
		}
	}
	n, ok := integer(s)
	if !ok || n < 0 || int64(n) > (1<<62)/unit {
		return 0, false
	}
	return int64(n) * unit, true
}
