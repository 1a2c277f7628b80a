package configs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"supd/privdrop"
	"supd/socket"
)

// Verify asks this machine what Load cannot know: whether users, groups,
// directories, commands and environment files exist, and whether the paths that
// supd makes are short enough for unix sockets. It starts and binds nothing, so
// that a command may still turn out to be forbidden to its user, and an address
// to be taken.
func (c *Config) Verify() []Error {
	v := &verification{config: c, report: report{home: c.home}}
	v.daemon()
	for i := range c.Apps {
		a := &c.Apps[i]
		for _, s := range a.Sockets {
			v.socket(a, s)
		}
		for j := range a.Processes {
			v.process(a, &a.Processes[j])
		}
	}
	return v.report.sorted()
}

type verification struct {
	config *Config
	report report
}

func (v *verification) fail(of, key, format string, args ...any) {
	v.report.add(v.config.place(of, key), format, args...)
}

// maxSocketPath is sun_path less its zero byte (unix(7)).
const maxSocketPath = 107

func (v *verification) daemon() {
	c := v.config
	if len(c.Control.Socket) > maxSocketPath {
		v.fail("", "control.socket", "the path has %d bytes, a unix socket's has at most %d; choose a shorter one", len(c.Control.Socket), maxSocketPath)
	}
	if c.Control.Group != "" {
		v.group("", "control.group", c.Control.Group)
	}
	for i := range c.Apps {
		for _, p := range c.Apps[i].Processes {
			longest := workerPath(c.Daemon.Runtime, c.Apps[i].Name, p)
			if len(longest) > maxSocketPath {
				v.fail("", "daemon.runtime", "is too long: %s would have %d bytes, a unix socket's path has at most %d", longest, len(longest), maxSocketPath)
			}
		}
	}
}

// workerPath is the longest path of a socket that supd makes for one worker: in
// a directory of its runtime directory, by the worker's name and generation.
func workerPath(runtime, app string, p Process) string {
	return filepath.Join(runtime, "notify", app+"."+p.Name+"."+strconv.Itoa(max(p.Count, 1))+".1000000")
}

func (v *verification) group(of, key, name string) {
	if _, err := privdrop.Lookup(privdrop.Identity{User: "0", Group: name, Groups: []string{}}); err != nil {
		v.fail(of, key, "%s", err) // the user 0 is only there to ask for the group
	}
}

func (v *verification) socket(a *App, s socket.Spec) {
	key := "socket." + s.Name
	if s.User != "" {
		id := privdrop.Identity{User: s.User, Group: s.Group}
		if isNumber(s.User) && s.Group == "" {
			id.Group = "0" // a number may have no entry, and no group then: the socket keeps supd's
		}
		if _, err := privdrop.Lookup(id); err != nil {
			v.fail(a.Name, key+".user", "%s", err)
		}
	} else if s.Group != "" {
		v.group(a.Name, key+".group", s.Group)
	}
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func (v *verification) process(a *App, p *Process) {
	of := a.Name + "/" + p.Name
	if p.User != "" {
		v.identity(of, p)
	}
	v.directory(of, "directory", p.Directory)
	if p.Venv != "" {
		v.directory(of, "venv", p.Venv)
	}
	v.program(of, "command", p, p.Command)
	if len(p.Ready.Exec) > 0 {
		v.program(of, "ready.exec", p, p.Ready.Exec)
	}
	if p.EnvFile != "" {
		v.envFile(of, p.EnvFile)
	}
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
	info, err := os.Stat(path)
	switch {
	case err != nil:
		v.fail(of, key, "%s: %s", path, reason(err))
	case !info.IsDir():
		v.fail(of, key, "%s: not a directory", path)
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

func (v *verification) program(of, key string, p *Process, argv []string) {
	inPath := !strings.Contains(argv[0], "/")
	if strings.ContainsAny(argv[0], "{}") || inPath && strings.ContainsAny(p.Env["PATH"], "{}") {
		return // known at the launch only
	}
	file, err := find(p, argv[0])
	if err != nil {
		v.fail(of, key, "%s", err)
		return
	}
	if interpreter := shebang(file); interpreter != "" {
		if problem := runnable(interpreter); problem != "" {
			v.fail(of, key, "%s: its interpreter %s %s", file, interpreter, problem)
		}
	}
}

// find looks for a program as the launch will: one with a slash from the
// working directory, any other in the venv and in PATH.
func find(p *Process, name string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Directory, name)
		}
		if problem := runnable(name); problem != "" {
			return "", fmt.Errorf("%s %s", name, problem)
		}
		return name, nil
	}
	path := searchPath(p)
	if p.Venv != "" {
		path = filepath.Join(p.Venv, "bin") + ":" + path
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if filepath.IsAbs(file) && runnable(file) == "" {
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
func runnable(file string) string {
	info, err := os.Stat(file)
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
