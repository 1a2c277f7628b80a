package configs

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"supd/privdrop"
	"supd/privdrop/files"
)

//go:embed defaults.toml
var defaultsFile []byte

// Option changes what Load takes from the process it runs in.
type Option func(*loader)

// Environ gives the environment whose SUPD_DAEMON_…, SUPD_CONTROL_… and SUPD_METRICS_…
// variables
// override supd.toml, as "NAME=value"; by default os.Environ().
func Environ(env []string) Option { return func(l *loader) { l.environ = env } }

// Root says whether to check as for a supd that runs as root: then every process
// needs a user. By default as this process does.
func Root(is bool) Option { return func(l *loader) { l.scope.root = is } }

// LeaveOut lets Load leave out app files in which something is wrong, unless
// daemon.strict forbids that: they are in the Config's Invalid then.
func LeaveOut() Option { return func(l *loader) { l.leavesOut = true } }

// ForCheck lets Load leave them out whatever daemon.strict says, for who wants to know
// of everything that is wrong: what this machine lacks for the others, too.
func ForCheck() Option {
	return func(l *loader) { l.leavesOut, l.checks, l.patience = true, true, &files.Patience{} }
}

// Only lets Load read no other app files than those of the named apps, where there are
// such: what is in the others, and what is wrong with them, is no matter.
func Only(apps ...string) Option { return func(l *loader) { l.only = apps } }

// Load reads supd.toml at path, the environment, and every *.toml in the apps
// directory. It asks neither the user database nor the kernel, but for whose the
// files and directories are; Verify does. The error is a *Errors with everything that
// is wrong in all files; there is no Config then.
func Load(path string, opts ...Option) (*Config, error) {
	l := newLoader(path, opts)
	l.daemon(true)
	l.config.checkDirectories(l.scope.report)
	for _, file := range l.appFiles() {
		l.app(file, readOwn)
	}
	return l.result()
}

// LoadFiles does the same with the given app files alone, whatever their directory
// and whosever they are: they are not where supd reads them. supd.toml may be missing.
// It leaves out as ForCheck does.
func LoadFiles(path string, apps ...string) (*Config, error) {
	l := newLoader(path, []Option{ForCheck()})
	l.daemon(false)
	for _, file := range apps {
		l.app(absolutePath(file), readAnybodys)
	}
	return l.result()
}

type loader struct {
	scope   scope
	environ []string
	builtIn *value // [defaults] of defaults.toml
	stated  *value // [defaults] of supd.toml
	base    *value // of a process: both together, once they were asked for
	cost    int    // of the processes of one app, as far as they are read
	config  *Config

	leavesOut bool
	checks    bool
	patience  *files.Patience    // with each file, of who checks; a start has nothing to do without them
	only      []string           // nil: all apps
	wrong     map[string]*report // of app files, by path
	untrusted bool               // a file is somebody else's: nothing of the directory may be believed
}

func newLoader(path string, opts []Option) *loader {
	path = absolutePath(path)
	home := filepath.Dir(path)
	l := &loader{
		scope:   scope{report: &report{home: home}, root: os.Geteuid() == 0, home: home},
		environ: os.Environ(),
		wrong:   map[string]*report{},
		config:  &Config{Path: path, places: places{}, home: home, sources: map[string]appSource{}, files: map[string]read{}},
	}
	for _, opt := range opts {
		opt(l)
	}
	l.config.root = l.scope.root
	return l
}

// absolutePath leaves a path as it is where there is no working directory.
func absolutePath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// daemon reads supd.toml. What is wrong in it hides nothing of the app files.
func (l *loader) daemon(must bool) {
	below := l.defaults()
	var stated *value
	if _, err := os.Stat(l.config.Path); must || err == nil {
		stated = l.read(l.config.Path, readOwn)
	}
	if stated != nil {
		input{stated, &l.scope}.sections(false)
	}
	l.builtIn, l.stated = below.child("defaults"), stated.child("defaults")
	l.config.builtIn = l.builtIn
	top := merge(below, stated, environment(l.environ))
	var s settings
	readTable(input{top, &l.scope}, settingsKeys, &s)
	l.config.Daemon, l.config.Control, l.config.Metrics = s.Daemon, s.control(), s.Metrics
	l.config.places[""] = []*value{top}
}

func (l *loader) defaults() *value {
	top, _ := parse("", defaultsFile, l.scope.report)
	forget(top)
	return top
}

// forget takes the lines off the built-in defaults, which are in no file.
func forget(v *value) {
	v.Place.Line = 0
	for i := range v.Items {
		forget(&v.Items[i])
	}
	for _, child := range v.Table {
		forget(child)
	}
}

// child gives nil where there is none, or no table above.
func (v *value) child(name string) *value {
	if v == nil || v.Table == nil {
		return nil
	}
	return v.Table[name]
}

// denied adds to an error of permission as whom and at which directory it came.
func denied(path string, err error) error {
	if d, is := privdrop.Denied(path, err); is {
		return fmt.Errorf("%w: %s", err, d)
	}
	return err
}

// read gives a file's top table, or nil when that cannot be had.
func (l *loader) read(file string, from reader) *value {
	var at stamp
	var data []byte
	var err error
	if !l.patience.Answers(func() { data, err = from(file, func(i fs.FileInfo) error { at = stampOf(i); return nil }) }) {
		l.scope.report.add(Place{File: file}, "cannot read %s: %s", file, l.patience.Why())
		return nil
	}
	if err != nil {
		l.untrusted = l.untrusted || files.IsUntrusted(err)
		l.scope.report.add(Place{File: file}, "cannot read %s: %s", file, denied(file, err))
		return nil
	}
	l.config.files[file] = read{at, sha256.Sum256(data)}
	top, _ := parse(file, data, l.scope.report) // what is no TOML hides nothing else
	return top
}

func (l *loader) appFiles() []string {
	dir := l.config.Daemon.Apps
	if dir == "" {
		return nil // has been wrong in supd.toml
	}
	if err := files.Own().CheckPlanned(dir); err != nil {
		l.scope.report.add(l.config.place("daemon.apps"), "%s", denied(dir, err))
		return nil
	}
	all, err := appsIn(dir)
	if err != nil {
		l.scope.report.add(l.config.place("daemon.apps"), "cannot read %s: %s; make the directory, or set another one", dir, denied(dir, reason(err)))
		return nil
	}
	if l.only == nil {
		return all
	}
	return slices.DeleteFunc(all, func(file string) bool { return !slices.Contains(l.only, appName(file)) })
}

func appsIn(dir string) (all []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if isAppFile(e.Name()) {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all, err
}

// isAppFile leaves out what editors and package managers put beside the files.
func isAppFile(name string) bool {
	return strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".")
}

// app reads an app file. What is wrong in it, or with it and [defaults] together, is
// reported apart from what is wrong with others.
func (l *loader) app(file string, from reader) {
	shared := l.scope.report
	l.scope.report = &report{home: shared.home}
	if top := l.read(file, from); top != nil {
		l.appTable(top)
	}
	l.wrong[file], l.scope.report = l.scope.report, shared
}

func (l *loader) appTable(top *value) {
	a := l.readApp(top, nil, nil)
	l.config.Apps = append(l.config.Apps, a)
	l.config.sources[a.Name] = appSource{top, l.stated}
}

// readApp reads an app's file, with a release and the processes of its own file
// or, v being nil, without.
func (l *loader) readApp(top *value, v *Version, own map[string]*value) App {
	scope := l.scope
	in := input{top, &scope}
	scope.app = top.Place.File
	a := App{
		File: scope.app, Name: appName(scope.app),
		Env: map[string]string{}, places: places{}, version: v,
	}
	if a.Name == "all" {
		in.fail(`the file's name is the app's, and "all" means all apps`)
	}
	in.checkName(a.Name)
	scope.vars = map[string]string{"app": a.Name}
	if scope.version = v; v == nil && top.Table["release"] != nil {
		scope.version = &Version{}
	}
	in.sections(true)
	readTable(in, appKeys, &a)
	layers := []*value{l.builtIn.child("rollout"), l.stated.child("rollout").onlyTable(), top.child("rollout").onlyTable()}
	rollout := input{merge(layers...), &scope}
	readTable(rollout, rolloutKeys, &a.Rollout)
	a.places[""] = []*value{top}
	a.rollout = layers
	in.checkRun(&a)
	l.processes(in, &a, own)
	checkSmoke(rollout, &a)
	checkGate(rollout, &a)
	return a
}

func (v *value) onlyTable() *value {
	if v == nil || v.Kind != aTable {
		return nil
	}
	return v
}

// MostWorkers is how many an app can have, and supd has memory for each from the
// beginning: a release may say how many it wants.
const MostWorkers = 1 << 15

func (l *loader) processes(in input, a *App, own map[string]*value) {
	tables := map[string]*value{} // of the app's file
	if stated := in.child("process").onlyTable(); stated != nil {
		tables = stated.Table
	}
	if len(tables)+len(own) == 0 && !in.open() {
		in.fail("has no [process.NAME]: an app needs at least one")
		return
	}
	shared := &value{Kind: aTable, Table: maps.Clone(in.Table)} // what the app says for all
	maps.DeleteFunc(shared.Table, func(key string, _ *value) bool {
		return !slices.Contains(ofProcesses, key)
	})
	all, after := map[string]input{}, map[string][]string{}
	workers := 0
	l.cost = 0
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(sortedKeys(tables), sortedKeys(own))))) {
		stated := tables[name]
		if stated != nil && stated.Kind != aTable {
			continue
		}
		merged, p := l.process(in, a, name, own[name], shared, stated)
		if l.cost > mostMerged {
			in.fail("its processes take more than %d MiB together, with what is said for all of them: too many, or too much in env", mostMerged>>20)
			return
		}
		all[name], after[name] = merged, p.After
		a.Processes = append(a.Processes, p)
		if before := workers; before <= MostWorkers {
			if workers += p.Count; workers > MostWorkers {
				merged.at("count").fail("the app has more than %d workers with those of %s", MostWorkers, name)
			}
		}
	}
	checkAfter(all, after)
}

// ofProcesses are the keys of an app that hold for each of its processes.
var ofProcesses = []string{"user", "group", "env"}

// process lays [process.NAME] over what the app says for all its processes, over
// the release's own, over [defaults.process]. One of own and stated may be nil.
func (l *loader) process(in input, a *App, name string, own, shared, stated *value) (input, Process) {
	scope := *in.scope
	scope.vars = map[string]string{"app": a.Name, "process": name}
	table := cmp.Or(stated, own)
	line := table.Place.Line
	if stated == nil {
		line = max(1, in.at("user").Place.Line)
	}
	below := []*value{l.processDefaults()}
	merged := input{overlay(below[0], own, shared, stated), &scope}
	if preset := merged.preset(); preset != nil {
		below = []*value{l.stated.child("process").onlyTable().withLogTable(), preset, l.builtIn.child("process")}
		merged.value = overlay(below[2], preset, below[0], own, shared, stated)
	}
	merged.Place = table.Place
	if l.cost += merged.cost(mostMerged); l.cost > mostMerged {
		return merged, Process{}
	}
	merged.checkName(name)
	p := Process{Name: name, Line: line, AllowRoot: a.AllowRoot, Env: map[string]string{}}
	readTable(merged, processKeys, &p)
	merged.locate(&p)
	p.complete(a)
	l.logOf(merged.at("log"), a.Name, name, &p.Log)
	checkProcess(merged, a, &p)
	a.places[name] = append([]*value{stated.withLogTable(), shared, own.withLogTable()}, below...)
	return merged, p
}

// processDefaults is [defaults.process] over what is built in.
func (l *loader) processDefaults() *value {
	if l.base == nil {
		l.base = merge(l.builtIn.child("process"), l.stated.child("process").onlyTable())
	}
	return l.base
}

func (l *loader) result() (*Config, error) {
	l.config.sort()
	l.leaveOut()
	l.checkAddresses()
	l.leaveOut() // what has another one's address
	l.checkLogs()
	l.leaveOut() // what writes to another one's file
	for _, own := range l.wrong {
		l.scope.report.include(own)
	}
	if errs := l.scope.report.sorted(); len(errs) > 0 {
		return nil, &errs
	}
	return l.config, nil
}

// leaveOut takes the apps out of the configuration in whose files something is wrong.
func (l *loader) leaveOut() {
	if !l.leavesOut || l.untrusted || l.config.Daemon.Strict && !l.checks || len(l.scope.report.seen) > 0 {
		return
	}
	for _, file := range sortedKeys(l.wrong) {
		errs := l.wrong[file].sorted()
		if len(errs) == 0 {
			continue
		}
		c, name := l.config, appName(file)
		c.Invalid = append(c.Invalid, Invalid{name, file, errs})
		c.Apps = slices.DeleteFunc(c.Apps, func(a App) bool { return a.File == file })
		delete(c.sources, name)
		delete(l.wrong, file)
	}
}

func (c *Config) sort() {
	slices.SortFunc(c.Apps, func(a, b App) int { return strings.Compare(a.Name, b.Name) })
}
