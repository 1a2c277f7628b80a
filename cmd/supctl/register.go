package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// nudgeTime is what supd gets to answer: it takes up at its start what it was not
// told of.
var nudgeTime = 2 * time.Second

// registration is what register is asked for.
type registration struct {
	path    string
	deploy  bool
	dropIns bool
	script  bool
}

func (c *call) register() *cobra.Command {
	var r registration
	d, _ := configs.Default()
	cmd := &cobra.Command{
		Use:   "register APP VERSION",
		Short: "Make an installed version known; needs no supd",
		Long: "Make an installed version known. It works while no supd runs, and in a chroot.\n" +
			"Without --path it is where the app's [release] says: VERSION in its directory, or its\n" +
			"path. Of the latter, where every version is installed, a snapshot is taken.\n\n" + scriptHelp,
		Args: func(_ *cobra.Command, args []string) error { return r.checkArgs(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			r.script = c.inScript(cmd, nil)
			if r.dropIns {
				return c.registerDropIns(cmd.Context(), r, args)
			}
			return c.registerOne(cmd.Context(), r, args[0], args[1])
		},
		ValidArgsFunction: c.completeApps,
	}
	flags := cmd.Flags()
	flags.StringVar(&r.path, "path", "", "the directory that the version is installed at")
	flags.BoolVar(&r.deploy, "deploy", false, "deploy it, too; when no supd runs, at its next start")
	flags.BoolVar(&r.dropIns, "drop-ins", false, "register what every file in "+d.DropIns+", or in the directory given, names; for supd's own package")
	c.configFlag(cmd)
	c.scriptable(cmd)
	return cmd
}

func (r registration) checkArgs(args []string) error {
	switch {
	case r.dropIns && (r.path != "" || r.deploy):
		return errors.New("--drop-ins excludes --path and --deploy: the files say both")
	case r.dropIns && len(args) > 1:
		return errors.New("register --drop-ins takes one directory at most")
	case !r.dropIns && len(args) != 2:
		return errors.New("register needs an app and a version, such as `supctl register whois 1.5.0`")
	}
	return nil
}

// registered is what register prints as JSON.
type registered struct {
	App     string `json:"app"`
	Version string `json:"version"`
	Path    string `json:"path"`
	Files   string `json:"files"` // a snapshot, or the path again
	Changed bool   `json:"changed"`
}

func (c *call) registerOne(ctx context.Context, r registration, app, version string) error {
	h, store, err := c.registry(ctx)
	if err != nil {
		return err
	}
	place := c.installed(h, app)
	path, err := r.directory(place, version)
	if err != nil {
		return err
	}
	done, changed, err := store.Register(ctx, release.Registration{App: app, Version: version, Path: path,
		InPlace: place.inPlace(version, path), By: os.Getuid(), Deploy: r.deploy, Origin: release.Manual})
	if err != nil {
		return ofRegistry(err)
	}
	if err := c.showRegistered(done, changed); err != nil {
		return err
	}
	return c.takenUp(ctx, h, r, app, version)
}

// directory is where the version is installed.
func (r registration) directory(place installed, version string) (string, error) {
	path := r.path
	if path == "" {
		path = place.of(version)
	}
	if path == "" {
		return "", &control.Error{Code: api.CodeUsage,
			Message: fmt.Sprintf("where is %s installed? give --path; there is no [release] in %s that tells", version, place.file)}
	}
	return filepath.Abs(path)
}

func (c *call) showRegistered(r release.Release, changed bool) error {
	if c.json {
		return c.print(registered{r.App, r.Version, r.Path, r.Files(), changed})
	}
	switch {
	case !changed:
		fmt.Fprintf(c.out, "%s %s is registered already\n", r.App, r.Version)
	case r.Snapshot != "":
		fmt.Fprintf(c.out, "%s %s registered, snapshot of %s\n", r.App, r.Version, r.Path)
	default:
		fmt.Fprintf(c.out, "%s %s registered, %s\n", r.App, r.Version, r.Path)
	}
	return nil
}

// takenUp has supd take up a registered release.
func (c *call) takenUp(ctx context.Context, h host, r registration, app, version string) error {
	client := control.Dial(h.socket)
	defer client.Close()
	result, err := nudge(ctx, client, app)
	switch {
	case err == nil && result.Code != api.CodeDone:
		return refused(result)
	case err == nil && r.deploy && !r.script && result.Rollout != nil:
		c.warnAll(result.Warnings)
		return c.follow(ctx, followed{client: client, app: app, asked: api.ActionDeploy, rollout: result.Rollout})
	case err == nil && r.deploy && !c.json:
		c.outcomes(result)
	case err == nil:
	case errors.Is(err, errSlow):
		c.note("%s: supd has not answered yet; it takes %s up when it comes to it, or at its next start", app, version)
	case !r.deploy && codeOfError(err) == api.CodeNoTarget: // nothing that it would have to do
	case control.NoAnswer(err):
		c.note("%s: no supd answers; it deploys %s when it starts", app, version)
	case codeOfError(err) == api.CodeNoTarget:
		c.note("%s: supd has no such app; it deploys %s once there is a file for it", app, version)
	default:
		return err
	}
	return nil
}

var errSlow = errors.New("supd has not answered yet")

// nudge tells supd that something was registered of apps, or of any.
func nudge(ctx context.Context, client *control.Client, apps ...string) (*api.Result, error) {
	short, cancel := context.WithTimeoutCause(ctx, nudgeTime, errSlow)
	defer cancel()
	return client.Do(short, api.Request{Action: api.ActionRefresh, Targets: apps})
}

// note prints what a person wants to know, and no program.
func (c *call) note(format string, args ...any) {
	if !c.json {
		fmt.Fprintf(c.out, format+"\n", args...)
	}
}

func (c *call) warnAll(warnings []string) {
	for _, w := range warnings {
		c.warn("%s", w)
	}
}

// refused is the error of a result that is none of the best.
func refused(r *api.Result) error {
	message := "failed"
	for _, o := range r.Outcomes {
		if o.Code == r.Code {
			message = o.Name + ": " + printable(o.Message)
		}
	}
	return &control.Error{Code: r.Code, Message: message}
}

// codeOfError is the exit code that an error of the API has.
func codeOfError(err error) int {
	var e *control.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return api.CodeFailed
}
