package configs

import (
	"path/filepath"
	"strings"

	"supd/privdrop"
	"supd/privdrop/files"
)

// uwsgiOptions is what uWSGI is told, from its command line and its ini files.
type uwsgiOptions struct {
	all map[string][]string // by the name without dashes before it, "-" inside
	// partial says that there is a file which could not be read, or is no ini:
	// an option that is missing here may be in there.
	partial bool
	view    privdrop.View
	as      *files.Account // who reads the files
}

func (o *uwsgiOptions) add(name, value string) {
	name = strings.ReplaceAll(name, "_", "-")
	if long, ok := uwsgiShort[name]; ok {
		name = long
	}
	o.all[name] = append(o.all[name], strings.TrimSpace(value))
}

var uwsgiShort = map[string]string{"s": "socket", "M": "master", "d": "daemonize"}

func readUWSGI(dir string, args []string, through privdrop.View, as *files.Account) *uwsgiOptions {
	o := &uwsgiOptions{all: map[string][]string{}, view: through, as: as}
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		if name == args[i] { // a configuration file, or an application
			o.file(dir, args[i])
			continue
		}
		name, value, given := strings.Cut(name, "=")
		if !given && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && !uwsgiFlags[name] {
			i++
			value = args[i]
		}
		o.add(name, value)
		if name == "ini" {
			o.file(dir, value)
		} else if uwsgiFiles[name] {
			o.partial = true
		}
	}
	return o
}

// uwsgiFlags take no value, so that what follows them is not theirs.
var uwsgiFlags = map[string]bool{
	"M": true, "master": true, "need-app": true, "shutdown-sockets": true, "vacuum": true,
	"enable-threads": true, "lazy-apps": true, "die-on-term": true, "single-interpreter": true, "strict": true,
}

// uwsgiFiles are options that name configuration of other forms.
var uwsgiFiles = map[string]bool{
	"yaml": true, "yml": true, "y": true, "xml": true, "x": true, "json": true, "j": true,
	"config": true, "emperor": true, "include": true, "import": true, "inherit": true,
}

// file reads the [uwsgi] section of an ini file, or another one after a colon.
func (o *uwsgiOptions) file(dir, path string) {
	path, section, named := strings.Cut(path, ":")
	if !named || section == "" {
		section = "uwsgi"
	}
	if !strings.HasSuffix(path, ".ini") {
		o.partial = o.partial || strings.Contains(path, ".")
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if !filepath.IsAbs(path) { // no release is known, and this may be its file
		o.partial = true
		return
	}
	data, err := readThrough(o.view, path, o.as)
	if err != nil {
		o.partial = true
		return
	}
	o.section(string(data), section)
}

func (o *uwsgiOptions) section(text, wanted string) {
	in := false
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.ContainsRune("#;", rune(line[0])):
		case line[0] == '[':
			in = strings.Trim(line, "[]") == wanted
		case in:
			name, value, _ := strings.Cut(line, "=")
			name = strings.TrimSpace(name)
			o.partial = o.partial || uwsgiFiles[name] || name == "ini"
			o.add(name, value)
		}
	}
}

// uwsgiArguments are all that uWSGI is told, each as --name=value, and whether there may be
// more.
func (t *trap) uwsgiArguments() (args []string, partial bool) {
	o := readUWSGI(t.process.Directory, t.args, t.app.view(), t.way.As)
	for name := range t.env { // each option may be set by UWSGI_OPTION
		o.partial = o.partial || strings.HasPrefix(name, "UWSGI_")
	}
	for _, name := range sortedKeys(o.all) {
		for _, v := range o.all[name] {
			if v != "false" && v != "0" && v != "no" { // else it is switched off
				args = append(args, "--"+name+"="+v)
			}
		}
	}
	return args, o.partial
}
