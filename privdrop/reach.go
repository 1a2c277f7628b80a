package privdrop

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Reach says what keeps the account from what the worker finds at path: the first
// directory on the way, links followed, that it may not enter; or that it may not
// enter or execute the last one itself. What is not there is no matter of rights.
//
// It is the kernel who judges, lists of access rights included, on a thread with the
// account's rights. A process that cannot take them says nothing, nor does a kernel
// before Linux 5.8 (faccessat2(2)).
func (a *Account) Reach(v View, path string) error {
	if !filepath.IsAbs(path) {
		return nil
	}
	var way []step
	open := true
	v.follow(path, func(dir string) {
		way = append(way, step{path: dir, fd: -1})
		open = open && isOpen(v.lookup(dir))
	})
	if open { // as nearly always: a thread costs more than all the rest
		return nil
	}
	defer func() {
		for _, s := range way {
			unix.Close(s.fd)
		}
	}()
	for i := range way {
		s := &way[i]
		var err error
		// By this process, which may see what the worker finds in another place.
		if s.fd, err = unix.Open(v.lookup(s.path), unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return nil
		}
	}
	return files.OnThreadOfItsOwn(func() error {
		if !a.Files().Become() {
			return nil
		}
		for _, s := range way {
			if s.forbidden() {
				return a.denied(s)
			}
		}
		return nil
	})
}

// isOpen reports whether everybody may enter a directory or execute a file, by its mode
// alone. A list of access rights that takes it from one user is left to the launch.
func isOpen(path string) bool {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&0o111 != 0o111 {
		return false
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return true
	}
	var system unix.Statfs_t
	return unix.Statfs(path, &system) == nil && system.Flags&unix.ST_NOEXEC == 0
}

// step is a directory on the way, or the end of it.
type step struct {
	path string
	fd   int
}

// forbidden reports whether this thread may neither enter nor execute it.
func (s step) forbidden() bool {
	return unix.Faccessat2(s.fd, "", unix.X_OK, unix.AT_EMPTY_PATH|unix.AT_EACCESS) == unix.EACCES
}

func (s step) isDirectory() bool {
	var st unix.Stat_t
	return unix.Fstat(s.fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func (a *Account) denied(s step) error {
	if s.isDirectory() {
		return fmt.Errorf("user %s may not enter the directory %s; let it in (chmod, chgrp), or choose another one", a.title(), s.path)
	}
	return fmt.Errorf("user %s may not execute %s; look at its mode, and whether its file system is mounted with noexec", a.title(), s.path)
}

// Files are the account's rights to files; nil of none.
func (a *Account) Files() *files.Account {
	if a == nil {
		return nil
	}
	return &files.Account{UID: a.UID, GID: a.GID, Groups: a.Groups}
}
