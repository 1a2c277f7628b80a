package convert

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"supd/configs"
	"supd/privdrop/files"
)

// Options say what the files leave open.
type Options struct {
	App       string            // name of the one app that all becomes; "" is one for each group or file
	User      string            // of programs for which no file names one
	Directory string            // absolute; where the old supervisor was started
	Env       map[string]string // values of variables that it was started with

	// Start says what a start of supd under the configuration would find wrong on this
	// machine; nil is not asked.
	Start func(*configs.Config) []error
}

// App is an app file, and what goes beside it.
type App struct {
	Name    string `json:"name"`
	Text    string `json:"text"` // of NAME.toml
	Secrets []File `json:"-"`    // env_files, to be made with mode 0600
}

// File is a file with what goes into it.
type File struct {
	Name string // in the directory of the app files
	Text string
}

// Result is what a conversion has come to. A program that cannot be converted is in no
// app, and the report says why.
type Result struct {
	Apps   []App // by name
	Report Report
}

// Convert reads files of other supervisors, each in its own form: a Procfile by its name,
// units of systemd by .service and .socket, circus by its sections, all else as
// supervisord does. The error is an Errors with all that cannot be read.
func Convert(names []string, o Options) (*Result, error) {
	return ConvertUntil(context.Background(), names, o)
}

// ConvertUntil is Convert that ends with ctx, with its error, as long as it reads: the files
// may be on a disk that does not answer. What comes then has made files of its own, with
// secrets in them, which it removes again; it waits for no disk longer than a check does.
func ConvertUntil(ctx context.Context, names []string, o Options) (*Result, error) {
	c := &conversion{options: o}
	if _, err := files.Soon(ctx, func() { c.readAll(names) }); err != nil {
		return nil, err
	}
	if len(c.errors) > 0 {
		return nil, c.errors.sorted()
	}
	return c.result()
}

func (c *conversion) readAll(names []string) {
	c.supervisords = sites{begin: c.supervisord, errors: &c.errors}
	c.circuses = sites{begin: c.circus, errors: &c.errors}
	var units []string
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	for _, name := range names {
		if isUnit(name) {
			units = append(units, name)
			continue
		}
		c.file(name)
	}
	c.supervisords.convert()
	c.circuses.convert()
	c.units(units)
}

var (
	supervisordMain = regexp.MustCompile(`(?m)^\[(supervisord|include)\]`)
	circusMain      = regexp.MustCompile(`(?m)^\[circus\]`)
)

// order sorts a main file before all others: they may be parts of it.
func order(file string) string {
	text, err := read(file, mostBytes) // what is wrong with it is reported when it is converted
	if err == nil && (supervisordMain.Match(text) || circusMain.Match(text)) {
		return "main"
	}
	return "other"
}

// conversion is under way.
type conversion struct {
	options Options
	report  Report
	errors  Errors
	apps    []*app
	read    []string // files, absolute

	supervisords, circuses sites
}

func (c *conversion) file(file string) {
	if path := absolute(file); slices.Contains(c.read, path) {
		return // another one has included it
	}
	text, ok := c.text(file)
	switch {
	case !ok:
	case isProcfile(file):
		c.procfile(file, text)
	case isCircus(text):
		c.circuses.file(file, text, circusMain.MatchString(text))
	default:
		c.supervisords.file(file, text, supervisordMain.MatchString(text))
	}
}

const mostBytes = 4 << 20 // of a file; real ones have some KiB

// text reads a file of which it will be known that it has been.
func (c *conversion) text(file string) (string, bool) {
	c.read = append(c.read, absolute(file))
	text, err := read(file, mostBytes)
	if err != nil {
		c.errors.add(place{file, 0}, "cannot be read: %s", reason(err))
		return "", false
	}
	before := len(c.errors)
	c.templates(file, string(text))
	return string(text), len(c.errors) == before
}

// read reads a regular file that has no more bytes than most, and never waits: whoever
// owns it may hold a lease on it.
func read(file string, most int64) ([]byte, error) {
	fd, err := files.OpenRegular(file)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), file)
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if int64(len(text)) > most {
		return nil, fmt.Errorf("it has more than %d KiB", most>>10)
	}
	return text, err
}

func reason(err error) error {
	if of, is := err.(*fs.PathError); is {
		return of.Err
	}
	return err
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// app gives the app that a program belongs to, made with its first program. What names
// it is a group, or else the file; --app makes one of all.
func (c *conversion) app(group, file string) *app {
	key := file
	if group != "" {
		key = file + "\x00" + group
	}
	if c.options.App != "" {
		key, group = "", c.options.App
	}
	for _, a := range c.apps {
		if a.key == key {
			a.comesFrom(file)
			return a
		}
	}
	name := nameOf(group)
	if group == "" {
		name = fileName(file)
	}
	a := &app{key: key, name: unused(name, func(name string) bool {
		return slices.ContainsFunc(c.apps, func(a *app) bool { return a.name == name })
	})}
	a.comesFrom(file)
	c.apps = append(c.apps, a)
	return a
}

// general are names of files and directories that say nothing of what is in them.
var general = []string{"supervisord", "supervisor", "supervisor-app", "circus", "circusd", "procfile", "app", "conf", "config", "conf-d", "configs", "deploy", "docker", "etc", "services", "supervisord-d", "tmp", "programs", "process", "src"}

// fileName makes the name of an app of a file's, or of the directories above it where
// that says nothing.
func fileName(file string) string {
	path := absolute(file)
	name := nameOf(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	for name == "" || slices.Contains(general, name) {
		path = filepath.Dir(path)
		if path == "/" || path == "." {
			return "app"
		}
		name = nameOf(filepath.Base(path))
	}
	return name
}

// add gives a process a name that the app has not yet, and its place in it.
func (a *app) add(p *process, name string) {
	p.name = unused(nameOf(name), func(name string) bool {
		return slices.ContainsFunc(a.processes, func(p *process) bool { return p.name == name })
	})
	a.processes = append(a.processes, p)
}

func (c *conversion) result() (*Result, error) {
	r := &Result{}
	slices.SortFunc(c.apps, func(a, b *app) int { return strings.Compare(a.name, b.name) })
	for _, a := range c.apps {
		if len(a.processes) == 0 {
			continue
		}
		one := App{Name: a.name}
		for _, p := range a.processes {
			p.hideAgain()
			if len(p.secrets) > 0 {
				name := a.name + "." + p.name + ".env"
				p.set("env_file", quote(name))
				one.Secrets = append(one.Secrets, File{name, envFile(p.secrets)})
			}
		}
		one.Text = a.text()
		r.Apps = append(r.Apps, one)
	}
	if len(c.report.programs)+len(c.report.Notes) == 0 {
		return nil, Errors{{File: c.read[0], Msg: "has no program"}}
	}
	if len(c.report.programs) == 0 {
		c.report.add(ByHand, "", place{}, "there is no program in these files: name the files that have some")
	}
	if err := c.check(r.Apps); err != nil {
		return nil, err
	}
	c.report.finish()
	r.Report = c.report
	return r, nil
}
