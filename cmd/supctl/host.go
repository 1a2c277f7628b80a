package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// defaultState is daemon.state where supd.toml does not say otherwise.
const defaultState = "/var/lib/supd"

// configFlag lets a command name the configuration file.
func (c *call) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.config, "config", defaultConfig(), "supd's configuration file (environment SUPD_CONFIG)")
}

func defaultConfig() string { return cmp.Or(os.Getenv("SUPD_CONFIG"), "/etc/supd/supd.toml") }

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
	f := c.lenient(c.config, nil)
	runtime := cmp.Or(override("DAEMON_RUNTIME"), f.path("daemon", "runtime"), "/run/supd")
	h := host{
		state:  cmp.Or(override("DAEMON_STATE"), f.path("daemon", "state"), defaultState),
		apps:   cmp.Or(override("DAEMON_APPS"), f.path("daemon", "apps"), filepath.Join(filepath.Dir(f.file), "apps")),
		socket: cmp.Or(override("CONTROL_SOCKET"), f.path("control", "socket"), filepath.Join(runtime, "supd.sock")),
	}
	h.dropIns = cmp.Or(override("DAEMON_DROP_INS"), f.path("daemon", "drop_ins"), dropIns)
	if c.socketGiven() {
		h.socket = c.socket
	}
	return h
}

// override is a SUPD_ variable that goes before supd.toml.
func override(name string) string {
	if path := os.Getenv("SUPD_" + name); filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return ""
}

// installed is where an app's file says that its releases are; all is empty where
// there is no file, or no [release] in it.
type installed struct {
	file      string
	directory string // with a directory for each version
	path      string // of every version
}

func (c *call) installed(h host, app string) installed {
	f := c.lenient(filepath.Join(h.apps, app+".toml"), map[string]string{"app": app})
	return installed{f.file, f.path("release", "directory"), f.path("release", "path")}
}

// of is the directory of a version, "" where the app's file does not tell.
func (i installed) of(version string) string {
	if i.directory != "" {
		return filepath.Join(i.directory, version)
	}
	return i.path
}

// inPlace tells whether the next version will be installed at the same path, so
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

// lenient is a file of which a few settings are wanted, whatever the rest is.
type lenient struct {
	file string
	top  map[string]any
	vars map[string]string
}

func (c *call) lenient(file string, vars map[string]string) lenient {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	f := lenient{file: file, vars: vars}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return f
	}
	if err == nil {
		err = toml.Unmarshal(data, &f.top)
	}
	if err != nil {
		c.warn("%s: %s; going on as if it said nothing, `supctl check` says more", file, err)
		f.top = nil
	}
	return f
}

// path reads an absolute path, or one relative to the file; "" is none.
func (f lenient) path(table, key string) string {
	settings, _ := f.top[table].(map[string]any)
	text, _ := settings[key].(string)
	path, err := configs.Expand(text, f.vars)
	switch {
	case err != nil || path == "":
		return ""
	case !filepath.IsAbs(path):
		path = filepath.Join(filepath.Dir(f.file), path)
	}
	return filepath.Clean(path)
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
		return &control.Error{Code: supervisor.CodeDenied, Message: fmt.Sprintf("%s; be root, or name the file of a supd of your own with --config", err)}
	default:
		return failed("%s", strings.Trim(err.Error(), "; \n"))
	}
}

func failed(format string, args ...any) error {
	return &control.Error{Code: supervisor.CodeFailed, Message: fmt.Sprintf(format, args...)}
}
