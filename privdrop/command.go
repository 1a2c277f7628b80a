package privdrop

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// findCommand gives the path for execve. A name without a slash is looked for in
// env's PATH; a relative path is one from dir, where the command starts.
//
// Permission is judged by mode bits alone: execve itself, made as the user, has
// the last word.
func (v View) findCommand(name, dir string, env []string, a *Account) (string, error) {
	if strings.Contains(name, "/") {
		return name, v.examine(name, fromDir(name, dir), a.Files())
	}
	path := defaultPath
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, "PATH="); ok {
			path = value
		}
	}
	return v.search(name, dir, path, a)
}

func fromDir(path, dir string) string {
	if dir == "" || strings.HasPrefix(path, "/") {
		return path
	}
	return dir + "/" + path
}

// search takes the first file that the account may execute, else the first that
// somebody may.
func (v View) search(name, dir, path string, a *Account) (string, error) {
	denied, second := "", ""
	for _, where := range strings.Split(path, ":") {
		if where == "" {
			where = "." // execvp(3)
		}
		file := where + "/" + name
		var st unix.Stat_t
		if unix.Stat(v.Find(fromDir(file, dir)), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		switch {
		case st.Mode&0o111 == 0:
			denied = cmp.Or(denied, file)
		case !a.mayExecute(&st):
			second = cmp.Or(second, file)
		default:
			return file, v.examine(name, fromDir(file, dir), a.Files())
		}
	}
	switch {
	case second != "":
		return second, nil // an access control list may allow it
	case denied != "":
		return "", fmt.Errorf("%s: %w: no execute permission", denied, ErrNotExecutable)
	}
	return "", fmt.Errorf("%s: %w in PATH %s", name, ErrNotFound, path)
}

func (a *Account) mayExecute(st *unix.Stat_t) bool {
	if a == nil || a.UID == 0 {
		return true
	}
	switch {
	case int(st.Uid) == a.UID:
		return st.Mode&0o100 != 0
	case a.inGroup(int(st.Gid)):
		return st.Mode&0o010 != 0
	}
	return st.Mode&0o001 != 0
}

func (a *Account) inGroup(gid int) bool {
	for _, g := range a.Groups {
		if g == gid {
			return true
		}
	}
	return a.GID == gid
}

// examine says why the file at path cannot be executed, if so, as far as the account may
// know.
func (v View) examine(name, path string, as *files.Account) error {
	f, err := v.look(path, as)
	switch err {
	case nil:
		defer f.close()
	case unix.ENOENT, unix.ENOTDIR:
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	case unix.EACCES:
		return nil // execve will tell
	default:
		return fmt.Errorf("%s: %w: %w", name, ErrNotExecutable, err)
	}
	switch {
	case f.is(unix.S_IFDIR):
		return fmt.Errorf("%s: %w: is a directory", name, ErrNotExecutable)
	case !f.is(unix.S_IFREG):
		return fmt.Errorf("%s: %w: not a regular file", name, ErrNotExecutable)
	case f.st.Mode&0o111 == 0:
		return fmt.Errorf("%s: %w: no execute permission", name, ErrNotExecutable)
	}
	return v.examineInterpreter(f)
}
