package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// scriptTime bounds how long a maintainer script waits for an app to stop: its
// files are about to be removed, but dpkg holds its lock meanwhile.
const scriptTime = time.Minute

// removal has the arguments and flags of unregister.
type removal struct {
	app, version string
	force, all   bool
	timeout      time.Duration
	script       bool
}

func (c *call) unregister() *cobra.Command {
	var r removal
	cmd := &cobra.Command{
		Use:   "unregister APP VERSION",
		Short: "Forget a version that is about to be removed",
		Long: "Forget a version that is about to be removed. The active one is refused, unless it is\n" +
			"the only one: then the app is stopped first. --all forgets every version of the app, the\n" +
			"active one last, so that nothing of it serves any more.\n\n" + scriptHelp + "\nThat the active version is refused is an error there, too: it keeps the package.",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case r.all && len(args) == 1:
			case r.all:
				return errors.New("unregister --all needs an app and no version")
			case len(args) != 2:
				return errors.New("unregister needs an app and a version, such as `supctl unregister whois 1.4.0`")
			case r.timeout < 0:
				return fmt.Errorf("--timeout %s: want 0 (without limit) or more", r.timeout)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r.app, r.version, r.script = args[0], strings.Join(args[1:], ""), c.inScript(cmd, nil)
			if r.script && r.timeout == 0 {
				r.timeout = scriptTime
			}
			if r.all {
				return c.unregisterAll(cmd.Context(), r)
			}
			err := c.unregisterOne(cmd.Context(), r)
			if kept, ok := errors.AsType[*keptError](err); ok {
				c.complain(api.CodeFailed, "%s", kept)
				return nil
			}
			return err
		},
		ValidArgsFunction: c.completeRelease,
	}
	cmd.Flags().BoolVar(&r.all, "all", false, "every version of the app, which is stopped")
	cmd.Flags().BoolVar(&r.force, "force", false, "also the active version: the app is stopped first")
	cmd.Flags().DurationVar(&r.timeout, "timeout", 0, "how long to wait for the app to stop, such as 30s (0 waits without limit)")
	c.configFlag(cmd)
	c.scriptable(cmd)
	return cmd
}

// unregisterAll forgets what is not in use first: then nothing of the app is started any
// more once its active release goes.
func (c *call) unregisterAll(ctx context.Context, r removal) error {
	list, err := c.releaseList(ctx, r.app)
	switch {
	case list == nil && codeOfError(err) == api.CodeNoTarget:
		c.note("%s: no version is registered", r.app)
		return nil
	case list == nil || err != nil:
		return err
	}
	isActive := func(one api.ReleaseStatus) int {
		if one.State == api.ReleaseActive {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list.Releases, func(a, b api.ReleaseStatus) int { return isActive(a) - isActive(b) })
	r.force = true
	for _, one := range list.Releases {
		r.version = one.Version
		if err := c.unregisterOne(ctx, r); err != nil {
			return err
		}
	}
	if len(list.Releases) == 0 {
		c.note("%s: no version is registered", r.app)
	}
	return nil
}

// keptError says that a release is in use and stays. In a maintainer script, too,
// it is an error: so the package stays.
type keptError struct{ why string }

func (e *keptError) Error() string { return e.why }

// unregisterOne asks supd to unregister the release, or does it itself if supd
// cannot.
func (c *call) unregisterOne(ctx context.Context, r removal) error {
	if err := checkInside(); err != nil {
		return err
	}
	h := c.host()
	client := control.Dial(h.socket)
	defer client.Close()
	v, err := answerOf(ctx, client)
	if err != nil {
		return c.unregisterHere(ctx, r, h)
	}
	if err := c.agrees(h, v); err != nil {
		return err
	}
	result, err := client.Do(ctx, api.Request{Action: api.ActionUnregister, Targets: []string{r.app},
		Version: r.version, Force: r.force, Timeout: r.timeout})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && result.Code == api.CodeDone:
		if c.json {
			return c.print(result)
		}
		c.outcomes(result)
		return nil
	case err == nil:
		return refused(result)
	case codeOfError(err) == api.CodeFailed && serves(ctx, client, r):
		return &keptError{err.Error()}
	case control.NoAnswer(err), codeOfError(err) == api.CodeNoTarget, codeOfError(err) == api.CodeFailed:
		return c.unregisterHere(ctx, r, h)
	default:
		return err
	}
}

// serves reports whether the version is active or part of a rollout.
func serves(ctx context.Context, client *control.Client, r removal) bool {
	s, err := client.Status(ctx)
	if err != nil {
		return false
	}
	for _, a := range s.Apps {
		if a.Name != r.app {
			continue
		}
		under := a.Rollout != nil && !a.Rollout.Ended() && (a.Rollout.From == r.version || a.Rollout.To == r.version)
		return a.Release == r.version || under
	}
	return false
}

// unregisterHere does what supd would do, as far as that is possible without supd.
func (c *call) unregisterHere(ctx context.Context, r removal, h host) error {
	store, err := c.store(ctx, &h)
	if err != nil {
		return err
	}
	all, err := store.Releases(r.app)
	if err != nil && len(all) == 0 {
		return ofRegistry(err)
	}
	state, err := release.ReadState(store.StatePath(r.app))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ofRegistry(err)
	}
	known := false
	for _, one := range all {
		known = known || one.Version == r.version
	}
	if !known {
		c.note("%s: %s is not registered", r.app, r.version)
		return nil
	}
	under := state.Rollout != nil && (state.Rollout.From == r.version || state.Rollout.To == r.version)
	others := slices.ContainsFunc(all, func(one release.Release) bool { return one.Version != r.version && one.Present() })
	if (state.Active == r.version || under) && !r.force && others {
		return &keptError{fmt.Sprintf("%s %s is active; `supctl deploy %s VERSION` or `supctl rollback %s` first, or insist with --force",
			r.app, r.version, r.app, r.app)}
	}
	if err := store.Unregister(ctx, r.app, r.version); err != nil {
		return ofRegistry(err)
	}
	if state.Active == r.version {
		if err := withoutActive(store, r.app); err != nil {
			return ofRegistry(err)
		}
	}
	c.note("%s: %s is forgotten", r.app, r.version)
	return nil
}

// withoutActive notes that no release of the app is active any more. A supd that
// has the journal open does that itself.
func withoutActive(store *release.Store, app string) error {
	j, err := release.OpenJournal(store.StatePath(app))
	if errors.Is(err, release.ErrBusy) {
		return nil
	}
	if j == nil {
		return err
	}
	defer j.Close()
	state := j.State()
	state.Active, state.Place, state.Previous, state.Rollout = "", nil, "", nil
	return errors.Join(j.Write(state), store.SetCurrent(app, ""))
}
