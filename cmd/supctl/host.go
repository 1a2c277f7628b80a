package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// configFlag lets a command name the configuration file.
func (c *call) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.config, "config", defaultConfig(), "supd's configuration file (environment SUPD_CONFIG)")
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		c.configGiven = cmd.Flags().Changed("config") || os.Getenv("SUPD_CONFIG") != ""
	}
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
	another bool   // the socket is not the one that the file names
}

// host reads what it can. It warns of a file that cannot be read.
func (c *call) host() host {
	d, at, err := configs.Directories(c.config)
	c.warnUnread(err)
	h := host{state: d.State, apps: d.Apps, socket: at.Socket, dropIns: d.DropIns}
	if c.socketGiven() && c.socket != h.socket {
		h.socket, h.another = c.socket, true
	}
	return h
}

// ask asks the supd on the socket where it has its directories. Without an answer the
// file's are right, unless the socket is another one than the file's: then nothing
// tells, but a file that was named. A file that was named must say the same.
func (c *call) ask(ctx context.Context, h *host) error {
	client := control.Dial(h.socket)
	defer client.Close()
	v, err := answerOf(ctx, client)
	known := err == nil && v.Where != nil
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !known && h.another && !c.configGiven:
		if err == nil {
			err = fmt.Errorf("supd %s on %s does not tell", v.Version, h.socket)
		}
		return &control.Error{Code: max(codeOfError(err), api.CodeFailed),
			Message: fmt.Sprintf("%s; name the file of that supd with --config, since %s may not be where it has its releases", err, h.state)}
	case !known, !h.another && !isTrusted(client.ServerUID()):
		return nil
	case c.configGiven:
		return c.agrees(*h, v)
	case !isTrusted(client.ServerUID()):
		return failed("the supd on %s is that of %s, which may not say where %s writes; be that user, or name its file with --config",
			h.socket, privdrop.UserTitle(client.ServerUID()), privdrop.UserName(os.Geteuid()))
	}
	h.state, h.apps, h.dropIns = v.Where.State, v.Where.Apps, v.Where.DropIns
	return nil
}

// agrees is an error where a file was named that is another one's than that of the supd
// which answers.
func (c *call) agrees(h host, v control.Version) error {
	if !c.configGiven || v.Where == nil || sameDirectory(h.state, v.Where.State) {
		return nil
	}
	return failed("the supd on %s has its releases in %s, and %s says %s; leave out --socket or --config, or start supd anew if the file has changed",
		h.socket, v.Where.State, c.config, h.state)
}

// configFile is the file of the supd that is meant: the one that was named, or that the supd
// on the socket that was named goes by. Where both were, they are to be the same. does says
// what this user would do by the file.
func (c *call) configFile(ctx context.Context, does string) (string, error) {
	if !c.socketGiven() {
		return c.config, nil
	}
	v, uid, err := c.asked(ctx)
	known, another := err == nil && v.Where != nil && v.Where.Config != "", !c.configGiven && c.host().another
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case known && c.configGiven && !sameDirectory(c.config, v.Where.Config):
		return "", failed("the supd on %s goes by %s, and not by %s; leave out --socket, or --config and SUPD_CONFIG", c.socket, v.Where.Config, c.config)
	case c.configGiven, !another && !(known && isTrusted(uid)):
		return c.config, nil
	case !known:
		return "", &control.Error{Code: api.CodeNoTarget, Message: fmt.Sprintf("no supd on %s tells which file it goes by; name that with --config", c.socket)}
	case !isTrusted(uid):
		return "", &control.Error{Code: api.CodeDenied, Message: fmt.Sprintf("the supd on %s is that of %s, which may not say what %s %s; be that user, or name its file with --config",
			c.socket, privdrop.UserTitle(uid), privdrop.UserName(os.Geteuid()), does)}
	}
	return v.Where.Config, nil
}

// asked is what the supd on the socket says of itself, and whose it is.
func (c *call) asked(ctx context.Context) (v control.Version, uid int, err error) {
	client := c.client()
	defer client.Close()
	v, err = answerOf(ctx, client)
	return v, client.ServerUID(), err
}

// answerOf is what a supd says of itself that answers within nudgeTime.
func answerOf(ctx context.Context, client *control.Client) (control.Version, error) {
	short, cancel := context.WithTimeoutCause(ctx, nudgeTime, errSlow)
	defer cancel()
	return client.Version(short)
}

// isTrusted reports whether this user does what that one says.
func isTrusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// sameDirectory knows that a directory, or a file, may have two names.
func sameDirectory(a, b string) bool {
	if a == b {
		return true
	}
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, other)
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

// registry opens the registry of releases without supd. What a supd that answers says
// of its own directories counts more than the file.
func (c *call) registry(ctx context.Context) (host, *release.Store, error) {
	if err := checkInside(); err != nil {
		return host{}, nil, err
	}
	h := c.host()
	store, err := c.store(ctx, &h)
	return h, store, err
}

// store is registry for a host that was read already.
func (c *call) store(ctx context.Context, h *host) (*release.Store, error) {
	if err := c.ask(ctx, h); err != nil {
		return nil, err
	}
	return release.Open(h.state), nil
}

// checkInside says no to a maintainer script that works on another root directory: the
// supd that answers here is not the one there.
func checkInside() error {
	if root := os.Getenv("DPKG_ROOT"); root != "" && root != "/" {
		return failed("this script works on %s from outside (DPKG_ROOT), where supctl cannot go; run it in there", root)
	}
	return nil
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
