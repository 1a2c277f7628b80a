package privdrop

import (
	"os"
	"path/filepath"
	"strings"
)

// View is the file system as the worker will see it: what is mounted for it
// alone, with resolved paths.
type View []Mount

// ViewOf gives the view of a worker that has the directory from in the place of
// to, which may be missing.
func ViewOf(from, to string) View { return View{{From: from, To: View(nil).walk(to)}} }

// maxLinks is how many symbolic links the kernel follows (path_resolution(7)).
const maxLinks = 40

// Find gives the path by which this process finds what the worker finds at path.
// Links are followed by hand: an absolute one, inside of what is mounted, leads
// to what the worker sees there. What cannot be followed is given as far as it
// was: chdir and execve have the last word.
func (v View) Find(path string) string {
	if len(v) == 0 || !filepath.IsAbs(path) {
		return path
	}
	return v.walk(path)
}

func (v View) walk(path string) string { return v.follow(path, func(string) {}) }

// follow is walk that tells of all that it comes through: each directory in which a
// name is looked for, and at last what it finds. All are paths as the worker has them.
func (v View) follow(path string, through func(string)) string {
	at, links := "/", 0
	for name, rest := "", path; rest != ""; {
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at) // it contains no link any more
			continue
		}
		through(at)
		next := filepath.Join(at, name)
		target, err := os.Readlink(v.lookup(next))
		if err != nil { // no link, or nothing at all
			at = next
			continue
		}
		if links++; links > maxLinks {
			return path
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = target + "/" + rest
	}
	through(at)
	return v.lookup(at)
}

// lookup is Find for a path without links.
func (v View) lookup(path string) string {
	for _, m := range v {
		if beneath(path, m.To) {
			return filepath.Join(m.From, path[len(m.To):])
		}
	}
	return path
}

// beneath reports whether path is dir or in it.
func beneath(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/' || dir == "/")
}
