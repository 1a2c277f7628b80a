package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

func (c *call) releases() *cobra.Command {
	rollouts := 10
	cmd := &cobra.Command{
		Use:               "releases APP",
		Short:             "Show an app's registered versions and past rollouts; needs no supd",
		Args:              oneApp,
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rollouts < 0 {
				return fmt.Errorf("--rollouts %d: want 0 or more", rollouts)
			}
			list, err := c.releaseList(cmd.Context(), args[0])
			if list == nil {
				return err
			}
			if err != nil { // the rest of the list can be shown
				c.complain(codeOfError(err), "%s", err)
			}
			if c.json {
				return c.print(list)
			}
			writeReleases(c.out, list, rollouts)
			return nil
		},
	}
	cmd.Flags().IntVarP(&rollouts, "rollouts", "n", rollouts, "how many past rollouts to show")
	c.configFlag(cmd)
	return cmd
}

// releaseList asks supd, or reads the files if no supd answers or it does not know
// the app.
func (c *call) releaseList(ctx context.Context, app string) (*api.ReleaseList, error) {
	if err := checkInside(); err != nil {
		return nil, err
	}
	h := c.host()
	client := control.Dial(h.socket)
	defer client.Close()
	if v, err := answerOf(ctx, client); err == nil {
		if err := c.agrees(h, v); err != nil {
			return nil, err
		}
	}
	list, asked := client.Releases(ctx, app)
	switch {
	case asked == nil:
		return list, nil
	case ctx.Err() != nil || codeOfError(asked) != api.CodeNoTarget:
		return nil, asked
	}
	store, err := c.store(ctx, &h)
	if err != nil {
		return nil, err
	}
	state, err := release.ReadState(store.StatePath(app))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, ofRegistry(err)
	}
	list, err = api.ListReleases(store, state, app)
	switch {
	case err == nil && len(list.Releases)+len(list.History) > 0:
		return list, nil
	case err != nil:
		return list, ofRegistry(err)
	case !control.NoAnswer(asked):
		return nil, asked
	}
	return nil, &control.Error{Code: api.CodeNoTarget, Message: fmt.Sprintf("no release of %q is registered in %s", app, h.state)}
}

// writeReleases writes a table of the releases, and one of the last rollouts.
func writeReleases(w io.Writer, l *api.ReleaseList, rollouts int) {
	if l.Held != nil {
		fmt.Fprintf(w, "%s is held since %s by %s: %s\n\n", l.App, moment(&l.Held.At), l.Held.By, cmp.Or(printable(l.Held.Reason), "no reason given"))
	}
	t := newTable(w, "VERSION", "STATE", "REGISTERED", "DEPLOYED", "BY", "PATH")
	for _, r := range l.Releases {
		path := r.Path
		if r.Reason != "" {
			path += " (" + printable(r.Reason) + ")"
		}
		t.row(r.Version, r.State, moment(&r.RegisteredAt), moment(r.DeployedAt), cmp.Or(r.By, "-"), path)
	}
	t.end()
	history := l.History[max(0, len(l.History)-rollouts):]
	if len(history) == 0 {
		return
	}
	fmt.Fprintln(w)
	t = newTable(w, "ROLLOUT", "KIND", "VERSIONS", "STARTED", "TOOK", "BY", "RESULT")
	for _, h := range history {
		result := string(h.Result)
		if h.Reason != "" {
			result += ": " + printable(h.Reason)
		}
		t.row(strconv.Itoa(h.ID), string(h.Kind), fromTo(h.From, h.To), moment(&h.StartedAt), coarse(h.EndedAt.Sub(h.StartedAt)), h.By, result)
	}
	t.end()
}

// moment is a time for people, "-" for none.
func moment(at *time.Time) string {
	if at == nil || at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}

// table aligns its columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)}
	t.row(head...)
	return t
}

func (t table) row(cells ...string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

func (t table) end() { t.w.Flush() }
