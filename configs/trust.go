package configs

import (
	"errors"
	"io/fs"
	"os"

	"supd/privdrop/files"
)

// CheckDirectories says which of supd's own directories are not its own, each by its
// key: what is in them says which processes are workers, what root writes where, and who
// answers to root.
// What is not there yet is to be made in a directory that is.
func (c *Config) CheckDirectories() error {
	r := report{home: c.home}
	c.checkDirectories(&r)
	if errs := r.sorted(); len(errs) > 0 {
		return &errs
	}
	return nil
}

func (c *Config) checkDirectories(r *report) {
	// Who rotates the logs of a system has /var/log in its group on some.
	forLogs := files.Trust{UID: os.Geteuid(), SystemGroups: true}
	for _, one := range []struct {
		key, path string
		trust     files.Trust
	}{
		{"daemon.state", c.Daemon.State, files.Own()},
		{"daemon.runtime", string(c.Daemon.Runtime), files.Own()},
		{"daemon.logs", c.Daemon.Logs, forLogs},
		{"daemon.drop_ins", c.Daemon.DropIns, files.Own()},
	} {
		if one.path == "" { // has been wrong in supd.toml
			continue
		}
		if err := one.trust.CheckPlanned(one.path); err != nil {
			r.add(c.place(one.key), "%s", err)
		}
	}
	if path := c.Control.Socket; path != "" { // the socket itself is open to some
		if err := files.Own().CheckWay(path); err != nil {
			r.add(c.place("control.socket"), "%s", err)
		}
	}
}

// reader is readOwn or readAnybodys.
type reader func(path string, checks ...func(fs.FileInfo) error) ([]byte, error)

func readAnybodys(path string, checks ...func(fs.FileInfo) error) ([]byte, error) {
	return readRegular(path, checks...)
}

// readOwn reads a file that says what supd does: it is root's, or supd's user's, and so
// is every directory on the way.
func readOwn(path string, checks ...func(fs.FileInfo) error) ([]byte, error) {
	file, err := files.Own().Open(path, os.O_RDONLY)
	if err != nil {
		if untrusted, is := errors.AsType[*files.UntrustedError](err); is {
			return nil, untrusted
		}
		return nil, reason(err)
	}
	defer file.Close()
	return readOpened(file, checks)
}
