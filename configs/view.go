package configs

import (
	"os"
	"path/filepath"
	"strings"
)

// view says where the files of a release can be read that its workers see at
// path. When the two differ, a symbolic link with an absolute target beneath path
// leads to another release's files, or nowhere.
type view struct{ path, files string }

func (v Version) view() view { return view{v.Path, v.Files} }

// view is that of the release the app is resolved with; none changes no path.
func (a *App) view() view {
	if a.version == nil {
		return view{}
	}
	return a.version.view()
}

// maxLinks is how many symbolic links the kernel follows (path_resolution(7)).
const maxLinks = 40

// file gives where to read what a worker has at path.
func (v view) file(path string) string {
	if v.path == v.files {
		return path
	}
	for range maxLinks {
		rel, err := filepath.Rel(v.path, path)
		if err != nil || !filepath.IsLocal(rel) {
			return path
		}
		next, linked := v.follow(rel)
		if rel == "." || !linked {
			return filepath.Join(v.files, rel)
		}
		path = next
	}
	return path
}

// follow gives the path, as workers see it, with its first symbolic link replaced
// by what that leads to.
func (v view) follow(rel string) (string, bool) {
	parts := strings.Split(rel, "/")
	for i := range parts {
		link := filepath.Join(parts[:i+1]...)
		target, err := os.Readlink(filepath.Join(v.files, link))
		if err != nil {
			continue // no link, or not there
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(v.path, filepath.Dir(link), target)
		}
		return filepath.Join(target, filepath.Join(parts[i+1:]...)), true
	}
	return "", false
}
