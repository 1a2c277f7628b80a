package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// configFlag lets a command name the configuration file.
func (c *call) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.config, "config", defaultConfig(), "supd's configuration file (environment SUPD_CONFIG)")
}

func defaultConfig() string { return cmp.Or(os.Getenv("SUPD_CONFIG"), configs.DefaultPath) }

// host is what is to be known of this machine's configuration in order to register
// a release, and no more. A package may be installed before supd is, and what is
// wrong elsewhere in the files is no reason to lose its registration.
type host struct {
	state  string // supd's state directory
	apps   string // directory of the app files
	socket string

	dropIns string // directory of files that register releases
}

// host reads what it can. It warns of a file that cannot be read.
func (c *call) host() host {
	d, at, err := configs.Directories(c.config)
	c.warnUnread(err)
	h := host{state: d.State, apps: d.Apps, socket: at.Socket, dropIns: d.DropIns}
	if c.socketGiven() {
		h.socket = c.socket
	}
	return h
}

// warnUnread says that a file does not count.
func (c *call) warnUnread(err error) {
	if err != nil {
		c.warn("%s; going on as if it said nothing, `supctl check` says more", err)
	}
}

// installed is where an app's file says that its releases are; all is empty where
// there is no file, or no [release] in it.
type installed struct {
	file      string
	directory string // with a directory for each version
	path      string // of every version
}

func (c *call) installed(h host, app string) installed {
	file := filepath.Join(h.apps, app+".toml")
	r, err := configs.ReleasesOf(file)
	c.warnUnread(err)
	return installed{file, r.Directory, r.Path}
}

// of is the directory of a version, "" where the app's file does not tell.
func (i installed) of(version string) string {
	if i.directory != "" {
		return filepath.Join(i.directory, version)
	}
	return i.path
}

// inPlace reports whether the next version will be installed at the same path, so
// that a snapshot has to be taken. Where the app's file does not tell, any path is
// that does not end in the version: a snapshot is never wrong.
func (i installed) inPlace(version, path string) bool {
	switch {
	case path == i.path:
		return true
	case i.directory != "" && filepath.Dir(path) == i.directory:
		return false
	default:
		return filepath.Base(path) != version
	}
}

// registry opens the registry of releases without supd.
func (c *call) registry() (host, *release.Store, error) {
	if root := os.Getenv("DPKG_ROOT"); root != "" && root != "/" {
		return host{}, nil, failed("this script works on %s from outside (DPKG_ROOT), where supctl cannot go; run it in there", root)
	}
	h := c.host()
	return h, release.Open(h.state), nil
}

// ofRegistry says what to do about an error of the registry.
func ofRegistry(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &control.Error{Code: api.CodeDenied, Message: fmt.Sprintf("%s; be root, or name the file of a supd of your own with --config", err)}
	default:
		return failed("%s", strings.Trim(err.Error(), "; \n"))
	}
}

func failed(format string, args ...any) error {
	return &control.Error{Code: api.CodeFailed, Message: fmt.Sprintf(format, args...)}
}
