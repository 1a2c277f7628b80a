package configs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"supd/privdrop"
)

// WorkerPath is what a worker's PATH is where [env] has none.
const WorkerPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (v *verification) program(p *Process, key string, argv []string, account *privdrop.Account) {
	file, path, known, err := v.fileOf(p, argv)
	switch {
	case !known:
	case err != nil:
		v.fail(p.Name, key, "%s", err)
	default:
		v.reach(p.Name, key, account, file)
		v.script(p, key, file, path, account)
	}
}

// fileOf finds the program of a command, with the PATH that it was looked for in; known is
// false where only a launch can, or there is none.
func (v *verification) fileOf(p *Process, argv []string) (file, path string, known bool, err error) {
	if len(argv) == 0 {
		return "", "", false, nil
	}
	name, known := v.expand(p, argv[0])
	path, knownPath := v.expand(p, v.searchPath(p))
	if !known || !strings.Contains(name, "/") && !knownPath {
		return "", "", false, nil
	}
	file, err = v.find(p, name, path)
	return file, path, true, err
}

// script looks at the first line of what is to be run, if it is a script, and at its
// interpreter, which may be one too.
func (v *verification) script(p *Process, key, file, path string, account *privdrop.Account) {
	for range privdrop.MostScripts {
		next, is := v.interpreter(p, key, file, path, account)
		switch {
		case !is:
			return
		case next == "":
			v.format(p, key, file, account)
			return
		case next == file:
			v.fail(p.Name, key, "%s: its line #! names the script itself; name the interpreter, such as /bin/sh", file)
			return
		}
		file = next
	}
	if next, is := v.interpreter(p, key, file, path, account); is && next != "" {
		v.fail(p.Name, key, "%s: too many scripts are each other's interpreters, and the kernel goes through %d; name the last interpreter in the first of them", file, privdrop.MostScripts)
	} else if is {
		v.format(p, key, file, account)
	}
}

// format looks at what is no script. A launch finds that out by itself.
func (v *verification) format(p *Process, key, file string, account *privdrop.Account) {
	var err error
	if v.asks && v.answers(p.Name, key, file, func() { err = v.view.FormatAt(file, account.Files()) }) && err != nil {
		v.fail(p.Name, key, "%s: %s", file, err)
	}
}

// interpreter gives that of a script, "" of what is none, unless something is wrong with
// it or it is known at the launch only.
func (v *verification) interpreter(p *Process, key, file, path string, account *privdrop.Account) (next string, is bool) {
	var s privdrop.Script
	var err error
	if !v.answers(p.Name, key, file, func() { s, err = v.view.ScriptAt(file, account.Files()) }) {
		return "", false
	}
	switch {
	case err != nil:
		v.fail(p.Name, key, "%s: %s", file, err)
		return "", false
	case !filepath.IsAbs(s.Interpreter):
		return "", s.Interpreter == ""
	}
	if _, err := v.runnable(s.Interpreter); err != nil {
		v.fail(p.Name, key, "%s: its interpreter %s", file, err)
		return "", false
	}
	v.reach(p.Name, key, account, s.Interpreter)
	if name := s.Argument; filepath.Base(s.Interpreter) == "env" && isProgramName(name) { // which looks in PATH
		if _, err := v.find(p, name, path); err != nil {
			v.fail(p.Name, key, "%s: its interpreter, by %s: %s", file, s.Interpreter, err)
		}
	}
	return s.Interpreter, true
}

// isProgramName reports whether env(1) takes a single word for a program, and not for
// an option or a variable.
func isProgramName(s string) bool { return s != "" && s[0] != '-' && !strings.ContainsAny(s, " \t=/") }

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
		_, err := v.runnable(name)
		return name, err
	}
	if p.Venv != "" {
		path = filepath.Join(p.Venv, "bin") + ":" + path
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if !filepath.IsAbs(file) {
			continue
		}
		if late, err := v.runnable(file); err == nil || late { // who starts it would wait there, too
			return file, err
		}
	}
	if variable, _, is := strings.Cut(name, "="); is && isVariableName(variable) {
		return "", fmt.Errorf("%s=… is no program, and no shell runs; write it in env", variable)
	}
	where := "PATH"
	if p.Venv != "" {
		where = p.Venv + "/bin or PATH"
	}
	return "", fmt.Errorf("%s: no such program in %s; give its path, or set venv or env.PATH", name, where)
}

// searchPath is PATH as the launch sets it, later settings over earlier ones.
func (v *verification) searchPath(p *Process) string {
	path := WorkerPath
	if own, ok := os.LookupEnv("PATH"); ok && isInherited(p.EnvInherit, "PATH") {
		path = own
	}
	if v.file["PATH"] != "" {
		path = v.file["PATH"]
	}
	if own, ok := p.Env["PATH"]; ok {
		path = own
	}
	return path
}

// runnable tells what keeps a file from being executed by anybody, and whether that is a
// disk that does not answer.
func (v *verification) runnable(file string) (late bool, err error) {
	var info fs.FileInfo
	var missing error
	if !v.patience.Answers(func() { info, missing = os.Stat(v.view.Find(file)) }) {
		return true, fmt.Errorf("%s: %s", file, v.patience.Why())
	}
	switch {
	case missing != nil:
		return false, fmt.Errorf("%s cannot be run: %w", file, reason(missing))
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a regular file", file)
	case info.Mode()&0o111 == 0:
		return false, fmt.Errorf("%s is not executable; chmod +x it", file)
	}
	return false, nil
}
