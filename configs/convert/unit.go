package convert

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unit is a file of systemd's, with its drop-ins.
type unit struct {
	source   string
	settings map[string][]setting // by "Service.ExecStart"
	order    []string             // the keys, as they come
	count    int                  // of settings
}

// setting is one assignment.
type setting struct {
	place
	value string
	n     int // of all settings of the unit, as they come
}

func isUnit(file string) bool { return isService(file) || strings.HasSuffix(file, ".socket") }

func isService(file string) bool { return strings.HasSuffix(file, ".service") }

// stem is the name of a unit without its kind.
func stem(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// unit reads a file, and what is in the directory of drop-ins beside it.
func (c *conversion) unit(file string) (*unit, bool) {
	u := &unit{source: file, settings: map[string][]setting{}}
	text, ok := c.text(file)
	if !ok {
		return nil, false
	}
	before := len(c.errors)
	u.read(file, text, &c.errors)
	for _, file := range dropIns(file) {
		if text, ok := c.text(file); ok {
			u.read(file, text, &c.errors)
		}
	}
	return u, len(c.errors) == before
}

// unitDirectories are where systemd looks for units of the machine (systemd.unit(5)), the
// strongest first.
var unitDirectories = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// dropIns gives those of a unit in the order in which they hold: those beside it, and, for
// one of the machine's, those in the other directories. Of two of one name the stronger holds.
func dropIns(file string) (all []string) {
	dirs := []string{filepath.Dir(absolute(file))}
	if slices.Contains(unitDirectories, dirs[0]) {
		dirs = unitDirectories
	}
	names := []string{filepath.Base(file)}
	if prefix, instance, is := strings.Cut(names[0], "@"); is && !strings.HasPrefix(instance, ".") {
		names = append(names, prefix+"@"+filepath.Ext(file))
	}
	for prefix, rest := "", stem(file); strings.Contains(rest, "-"); {
		before, after, _ := strings.Cut(rest, "-")
		prefix, rest = prefix+before+"-", after
		names = slices.Insert(names, 1, prefix+filepath.Ext(file)) // the longer is the stronger
	}
	names = append(names, strings.TrimPrefix(filepath.Ext(file), "."))
	byName := map[string]string{}
	for _, dir := range slices.Backward(dirs) {
		for _, name := range slices.Backward(names) {
			found, _ := filepath.Glob(filepath.Join(dir, name+".d", "*.conf"))
			for _, one := range found {
				byName[filepath.Base(one)] = one
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if target, err := filepath.EvalSymlinks(byName[name]); err != nil || target != os.DevNull { // which switches one off
			all = append(all, byName[name])
		}
	}
	return all
}

// read adds what a file says. A setting without a value takes back those before it
// (systemd.syntax(7), systemd.unit(5)).
func (u *unit) read(file, text string, errors *Errors) {
	section, begun := "", ""
	at := place{file: file}
	from := at // of the line that goes on
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		at.line++
		line = strings.TrimSpace(line)
		if begun == "" && line == "" || line != "" && (line[0] == '#' || line[0] == ';') {
			continue // also within a continued line
		}
		if begun == "" {
			from = at
		}
		if rest, goesOn := strings.CutSuffix(line, `\`); goesOn {
			begun += rest + " "
			continue
		}
		line, begun = begun+line, ""
		name, value, is := strings.Cut(line, "=")
		switch {
		case strings.ContainsFunc(line, reserved):
			errors.add(from, "has a character that stands for no text")
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
		case !is || section == "":
			errors.add(from, "is no [Section], no NAME=VALUE and no comment")
		default:
			u.count++
			u.set(section+"."+strings.TrimSpace(name), setting{from, strings.TrimSpace(value), u.count})
		}
	}
}

func (u *unit) set(key string, s setting) {
	if _, known := u.settings[key]; !known {
		u.order = append(u.order, key)
	}
	if s.value == "" {
		u.settings[key] = []setting{}
		return
	}
	u.settings[key] = append(u.settings[key], s)
}

// all gives every value of a key, for those that may be there more than once.
func (u *unit) all(key string) []setting { return u.settings[key] }

// last gives the value that holds.
func (u *unit) last(key string) (setting, bool) {
	all := u.settings[key]
	if len(all) == 0 {
		return setting{}, false
	}
	return all[len(all)-1], true
}
