package supervisor

import (
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/output"
)

// edition is what the workers of a process are launched from. It does not change;
// two of them are the same when their pointers are. A restart, a configuration
// that a worker would feel and another release all make a new one, and the slots
// are moved on to it one by one.
type edition struct {
	number  int // a newer one has a higher number
	config  *configs.Process
	account *privdrop.Account
	log     *output.Log
	release *configs.Version // nil: the app has none

	hash string // key's, once it was asked for: the owner's
}

// version is that of the release, "" without one.
func (e *edition) version() string {
	if e == nil || e.release == nil {
		return ""
	}
	return e.release.Name
}

// mounts gives what the worker sees in the place of what is installed: its own
// release's snapshot at the path that all releases are installed at.
func (e *edition) mounts() []privdrop.Mount {
	if e.release == nil || e.release.Files == e.release.Path {
		return nil
	}
	m := privdrop.Mount{From: e.release.Files, To: e.release.Path}
	m.To = withoutLinks(m.To)
	m.CoverFrom = e.coverFrom(m.To)
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
func (e *edition) coverFrom(to string) (from string) {
	if e.account.UID == 0 {
		return ""
	}
	for dir := filepath.Dir(to); dir != "/"; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		err := unix.Stat(dir, &st)
		if err == nil && (st.Uid != 0 || st.Gid != 0 || st.Mode&0o002 != 0) {
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

// stays tells whether a package manager lets a directory stay that is empty.
func stays(dir string) bool {
	return filepath.Dir(dir) == "/" || slices.Contains([]string{
		"/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share", "/usr/local", "/usr/local/lib", "/usr/local/share",
		"/var/lib", "/var/opt", "/var/www"}, dir)
}

// number is that of an edition that may be missing.
func number(e *edition) int {
	if e == nil {
		return 0
	}
	return e.number
}

// renew makes e, numbered anew, what every slot of a process is wished to run.
func (o *owner) renew(p *process, e edition) {
	p.edition = o.numbered(e)
	for _, s := range p.slots {
		s.edition = p.edition
	}
}

// numbered makes an edition of its own, newer than all others.
func (o *owner) numbered(e edition) *edition {
	o.editions++
	e.number = o.editions
	return &e
}

// exchange puts e in the place of an edition from which workers of e would not
// differ: it only says otherwise how they are treated.
func (p *process) exchange(old *edition, e edition) *edition {
	e.number, e.hash = old.number, old.hash
	if p.edition == old {
		p.edition = &e
	}
	for _, s := range p.slots {
		if s.edition == old {
			s.edition = &e
		}
		for _, w := range s.workers {
			if w.edition == old {
				w.edition = &e
			}
		}
	}
	return &e
}
