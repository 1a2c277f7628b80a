package configs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"supd/privdrop"
)

// Verify asks this machine what Load cannot know: whether users, groups,
// directories, commands and environment files exist, and whether the paths that
// supd makes are short enough for unix sockets. It starts and binds nothing, so
// that a command may still turn out to be forbidden to its user, and an address
// to be taken.
//
// Of an app with releases it says what holds for all of them; VerifyApp does the
// rest.
func (c *Config) Verify() []Error {
	v := &verification{config: c, report: report{home: c.home}}
	v.daemon()
	v.paths()
	for i := range c.Apps {
		v.app = &c.Apps[i]
		for _, s := range v.app.Sockets {
			v.socket(s)
		}
		v.processes()
	}
	return v.report.sorted()
}

// VerifyApp does for the processes of an app that With gave what Verify does. What
// is in the release is looked for where its files can be read now.
func (c *Config) VerifyApp(a *App, r Version) []Error {
	v := &verification{config: c, app: a, view: r.view(), version: &r, report: report{home: c.home}}
	v.processes()
	return v.report.sorted()
}

type verification struct {
	config  *Config
	app     *App
	view    privdrop.View
	version *Version // nil: none is known
	report  report
}

// fail places a message at a key of a process, or "" for one of the app.
func (v *verification) fail(of, key, format string, args ...any) {
	v.report.add(v.app.place(of, key), format, args...)
}

func (v *verification) failDaemon(key, format string, args ...any) {
	v.report.add(v.config.place(key), format, args...)
}

// maxSocketPath is sun_path less its zero byte (unix(7)).
const maxSocketPath = 107

func (v *verification) daemon() {
	c := v.config
	if len(c.Control.Socket) > maxSocketPath {
		v.failDaemon("control.socket", "the path has %d bytes, a unix socket's has at most %d; choose a shorter one", len(c.Control.Socket), maxSocketPath)
	}
	if c.Control.Group != "" {
		if _, _, err := privdrop.LookupOwner("", c.Control.Group); err != nil {
			v.failDaemon("control.group", "%s", err)
		}
	}
	if push := c.Metrics.Push; push.RemoteWrite != "" && push.Credentials != "" {
		if _, err := ReadCredentials(push.Credentials); err != nil {
			v.failDaemon("metrics.remote_write_credentials", "%s", err)
		}
	}
}

func (v *verification) processes() {
	for i := range v.app.Processes {
		p := &v.app.Processes[i]
		longest := longestPath(v.config.Daemon.Runtime, v.app.Name, p)
		if len(longest) > maxSocketPath {
			v.failDaemon("daemon.runtime", "is too long: %s would have %d bytes, a unix socket's path has at most %d", longest, len(longest), maxSocketPath)
		}
		v.process(p)
	}
}

// longestPath is that of a socket which supd makes for one worker, after a million
// launches.
func longestPath(r Runtime, app string, p *Process) string {
	const generation = 1_000_000
	return r.Notify(LaunchName(app, p.Name, max(p.Count, 1), generation))
}

func (v *verification) socket(s Socket) {
	key := "socket." + s.Name + ".user"
	if s.User == "" {
		key = "socket." + s.Name + ".group"
	}
	if _, err := s.Resolve(); err != nil {
		v.fail("", key, "%s", err)
	}
}

func (v *verification) process(p *Process) {
	if p.User != "" {
		v.identity(p.Name, p)
	}
	if p.EnvFile != "" {
		v.envFile(p.Name, p.EnvFile)
	}
	v.journal(p)
	if v.app.Release != nil && v.version == nil {
		return // what follows may be in the release
	}
	v.directory(p.Name, "directory", p.Directory)
	if p.Venv != "" {
		v.venv(p.Name, p.Venv)
	}
	v.program(p, "command", p.Command)
	v.program(p, "ready.exec", p.Ready.Exec)
	v.program(p, "health.exec", p.Health.Exec)
}

// identity blames the key whose names do not exist, the user where that is not
// clear.
func (v *verification) identity(of string, p *Process) {
	account, err := privdrop.Lookup(privdrop.Identity{User: p.User, Group: p.Group, Groups: p.Groups})
	if err == nil {
		if !p.AllowRoot && (account.UID == 0 || account.GID == 0 || slices.Contains(account.Groups, 0)) {
			v.fail(of, "user", "%q has root's uid, or is in root's group; use another user, or say allow_root = true in the app file", p.User)
		}
		return
	}
	key := "user"
	if p.Group != "" && !exists(p.Group, []string{}) {
		key = "group"
	} else if !exists("0", append([]string{}, p.Groups...)) {
		key = "groups"
	}
	v.fail(of, key, "%s", err)
}

func exists(group string, groups []string) bool {
	_, err := privdrop.Lookup(privdrop.Identity{User: "0", Group: group, Groups: groups})
	return err == nil
}

func (v *verification) directory(of, key, path string) {
	info, err := os.Stat(v.view.Find(path))
	switch {
	case err != nil:
		v.fail(of, key, "%s: %s", path, reason(err))
	case !info.IsDir():
		v.fail(of, key, "%s: not a directory", path)
	}
}

func (v *verification) venv(of, path string) {
	v.directory(of, "venv", path)
	if strings.Contains(path, ":") { // of an epoch in a version, perhaps
		v.fail(of, "venv", `%s: a ":" divides PATH, so that its bin would not be found; choose a directory without one`, path)
	}
}

func (v *verification) envFile(of, path string) {
	_, err := ReadEnvFile(path)
	if err == nil {
		return
	}
	for _, e := range *err.(*Errors) {
		if e.Line == 0 {
			v.fail(of, "env_file", "%s: %s", path, e.Msg)
			continue
		}
		v.report.add(Place{e.File, e.Line, e.Key}, "%s", e.Msg)
	}
}

// defaultPath is what a worker's PATH is where [env] has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (v *verification) program(p *Process, key string, argv []string) {
	if len(argv) == 0 {
		return
	}
	name, known := v.expand(p, argv[0])
	path, knownPath := v.expand(p, searchPath(p))
	if !known || !strings.Contains(name, "/") && !knownPath {
		return // at the launch only
	}
	file, err := v.find(p, name, path)
	if err != nil {
		v.fail(p.Name, key, "%s", err)
		return
	}
	if interpreter := shebang(v.view.Find(file)); interpreter != "" {
		if problem := v.runnable(interpreter); problem != "" {
			v.fail(p.Name, key, "%s: its interpreter %s %s", file, interpreter, problem)
		}
	}
}

// expand replaces the variables that are known without a launch, and reports whether
// these were all.
func (v *verification) expand(p *Process, s string) (string, bool) {
	vars := map[string]string{"app": v.app.Name, "process": p.Name}
	if v.version != nil {
		vars["version"], vars["release"] = v.version.Name, v.version.Path
	}
	s, err := Expand(s, vars)
	return s, err == nil
}

// find looks for a program as the launch will: one with a slash from the
// working directory, any other in the venv and in PATH.
func (v *verification) find(p *Process, name, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Directory, name)
		}
		if problem := v.runnable(name); problem != "" {
			return "", fmt.Errorf("%s %s", name, problem)
		}
		return name, nil
	}
	if p.Venv != "" {
		path = filepath.Join(p.Venv, "bin") + ":" + path
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if filepath.IsAbs(file) && v.runnable(file) == "" {
			return file, nil
		}
	}
	where := "PATH"
	if p.Venv != "" {
		where = p.Venv + "/bin or PATH"
	}
	return "", fmt.Errorf("%s: no such program in %s; give its path, or set venv or env.PATH", name, where)
}

// searchPath is PATH as the launch sets it, later settings over earlier ones.
func searchPath(p *Process) string {
	path := defaultPath
	if own, ok := os.LookupEnv("PATH"); ok && slices.Contains(p.EnvInherit, "PATH") {
		path = own
	}
	if p.EnvFile != "" {
		if file, err := ReadEnvFile(p.EnvFile); err == nil && file["PATH"] != "" {
			path = file["PATH"]
		}
	}
	if own, ok := p.Env["PATH"]; ok {
		path = own
	}
	return path
}

// runnable tells what keeps a file from being executed by anybody.
func (v *verification) runnable(file string) string {
	info, err := os.Stat(v.view.Find(file))
	switch {
	case err != nil:
		return "cannot be run: " + reason(err).Error()
	case !info.Mode().IsRegular():
		return "is not a regular file"
	case info.Mode()&0o111 == 0:
		return "is not executable; chmod +x it"
	}
	return ""
}

// shebang gives the interpreter of a script: one that is missing (a venv that
// was moved) makes execve(2) say that the script itself does not exist.
func shebang(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return "" // readable to its user, perhaps
	}
	defer f.Close()
	head := make([]byte, 256) // BINPRM_BUF_SIZE
	n, _ := f.Read(head)
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	words := strings.Fields(string(rest))
	if !ok || len(words) == 0 || !filepath.IsAbs(words[0]) {
		return ""
	}
	return words[0]
}
