package launch

import (
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/privdrop/files"
)

// mounts gives what the worker sees in the place of what is installed: its own
// release's snapshot at the path that all releases are installed at.
func (s Spec) mounts() []privdrop.Mount {
	if s.Release == nil || s.Release.Files == s.Release.Path {
		return nil
	}
	m := privdrop.Mount{From: s.Release.Files, To: s.Release.Path}
	m.To = withoutLinks(m.To)
	m.CoverFrom = s.coverFrom(m.To)
	m.Cover = m.CoverFrom != ""
	return []privdrop.Mount{m}
}

// withoutLinks follows the links of a path as far as it exists.
func withoutLinks(path string) string {
	at, rest := filepath.Clean(path), ""
	resolved, err := filepath.EvalSymlinks(at)
	for err != nil && at != "/" {
		at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest)
		resolved, err = filepath.EvalSymlinks(at)
	}
	return filepath.Join(resolved, rest)
}

// coverFrom is the topmost directory to be covered for the worker, so that it does
// not notice when its release's own is removed or renamed, nor when those above it
// go with it because they are empty: the next one that stays then. What the
// worker's user may write to is not covered, nor what is above it; "" is nothing.
func (s Spec) coverFrom(to string) (from string) {
	if s.Account.UID == 0 {
		return ""
	}
	for dir := filepath.Dir(to); dir != "/"; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		err := unix.Stat(dir, &st)
		if err == nil && (st.Uid != 0 || st.Gid != 0 || st.Mode&0o002 != 0 || files.HasList(dir)) {
			break
		}
		if err == nil {
			from = dir
		}
		if stays(dir) {
			break
		}
	}
	return from
}

// stays reports whether a package manager lets a directory stay that is empty.
func stays(dir string) bool {
	return filepath.Dir(dir) == "/" || slices.Contains([]string{
		"/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share", "/usr/local", "/usr/local/lib", "/usr/local/share",
		"/var/lib", "/var/opt", "/var/www"}, dir)
}
