package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// DefaultPath is where supd.toml is when nobody names another file.
const DefaultPath = "/etc/supd/supd.toml"

// Default gives what supd.toml says for supd itself where it says nothing.
func Default() (Daemon, Control) {
	l := newLoader(DefaultPath, nil)
	return l.believe(l.defaults())
}

// Directories gives as much as can be known of what Load says for supd itself, for
// a program that has to work before supd is configured, and while it is wrongly:
// what is wrong counts as not written, and no app's file is read. The error says
// why nothing of the file counts; that there is none is no error.
func Directories(path string, opts ...Option) (Daemon, Control, error) {
	l := newLoader(path, opts)
	stated, err := l.lenient(l.config.Path)
	d, c := l.believe(l.defaults(), stated, environment(l.environ))
	return d, c, err
}

// ReleasesOf gives as much as can be known of where an app's file says that its
// releases are, by the rules of Directories.
func ReleasesOf(file string) (Releases, error) {
	l := newLoader(file, nil)
	l.scope.vars = map[string]string{"app": appName(l.config.Path)}
	top, err := l.lenient(l.config.Path)
	var r Releases
	if table := top.child("release"); table != nil {
		readTable(input{table, &l.scope}, releaseKeys, &r)
	}
	return r, err
}

// believe reads the layers one by one, since a value that is wrong leaves what the
// layer below has said. What is reported of them goes nowhere.
func (l *loader) believe(layers ...*value) (Daemon, Control) {
	var s settings
	for _, layer := range layers {
		if layer != nil {
			readTable(input{layer, &l.scope}, settingsKeys, &s)
		}
	}
	return s.Daemon, s.control()
}

// lenient gives a file's top table. Without one, or with one that is no TOML, it
// is nil.
func (l *loader) lenient(file string) (*value, error) {
	data, err := readRegular(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		if line, problem := Excess(data); problem != "" {
			err = fmt.Errorf("line %d: %s", line, problem)
		}
	}
	if err == nil {
		var all map[string]any // parse goes on behind what is wrong
		err = toml.Unmarshal(data, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	top, _ := parse(file, data, l.scope.report)
	return top, nil
}

// appName is that of the app which a file is for.
func appName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".toml") }
