package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

func (c *call) audit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit [APP…]",
		Short: "Go through the hardening checklist, and look for releases whose files were changed",
		Long: "Go through the hardening checklist: a user of its own for each app, without a shell, and\n" +
			"not root; no capability that is as good; sockets and files that not every user can get at;\n" +
			"no open port where a unix socket would do; releases whose files are as they were\n" +
			"registered, and root's alone. It reads the configuration itself, with --socket that of the\n" +
			"supd there, and needs no supd; of one that answers it asks what became of the releases.\n" +
			"What it finds may be meant so: it exits with 1.",
		ValidArgsFunction: c.completeMoreApps,
		RunE: func(cmd *cobra.Command, apps []string) error {
			ctx := cmd.Context()
			config, err := c.auditedConfig(ctx)
			if err != nil {
				return err
			}
			findings := []api.Finding{}
			if config != nil {
				if err := untilTold(ctx, func() { findings = api.AuditConfig(config, apps) }); err != nil {
					return err
				}
			}
			ofReleases, err := c.releaseFindings(ctx, config, apps)
			findings = append(findings, ofReleases...)
			if err != nil && len(findings) == 0 {
				return err
			}
			return errors.Join(c.showFindings(findings, config != nil), err)
		},
	}
	c.configFlag(cmd)
	return cmd
}

// showFindings prints what was found; all says that it was not releases alone that were
// looked at.
func (c *call) showFindings(findings []api.Finding, all bool) error {
	if len(findings) > 0 {
		c.worst(api.CodeFailed)
	}
	if c.json {
		return c.print(findings)
	}
	for _, f := range findings {
		fmt.Fprintln(c.out, sentence(f))
	}
	switch {
	case len(findings) > 0:
	case all:
		fmt.Fprintln(c.out, "ok: the hardening checklist holds, and every registered release is as it was registered")
	default:
		fmt.Fprintln(c.out, "ok: every registered release is as it was registered")
	}
	return nil
}

// auditedConfig is that of the supd that is meant, nil where none tells its file and there
// is none in the usual place: then it is somewhere else.
func (c *call) auditedConfig(ctx context.Context) (*configs.Config, error) {
	path, err := c.configFile(ctx, "audits")
	if _, missing := os.Stat(c.config); errors.Is(missing, fs.ErrNotExist) && !c.configGiven && (err != nil || path == c.config) {
		c.warn("%s: no such file; only releases are looked at, name the file with --config", c.config)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.config = path
	var config *configs.Config
	if told := untilTold(ctx, func() { config, err = configs.Load(path, configs.ForCheck()) }); told != nil {
		return nil, told
	}
	if err != nil {
		return nil, &control.Error{Code: api.CodeInvalid, Message: err.Error()}
	}
	for _, app := range config.Invalid {
		c.complain(api.CodeInvalid, "%s is not looked at, its file is invalid; `supctl check` says why", app.Name)
	}
	return config, nil
}

// releaseFindings asks supd, or looks at the files where none answers or it does not know the
// app, and the configuration says where they are.
func (c *call) releaseFindings(ctx context.Context, config *configs.Config, apps []string) ([]api.Finding, error) {
	if config == nil {
		return c.findings(ctx, apps)
	}
	c.askTheFile()
	h := c.host()
	store, err := c.store(ctx, &h)
	if err != nil {
		return nil, err
	}
	all, err := c.findings(ctx, apps)
	if ctx.Err() != nil || codeOfError(err) != api.CodeNoTarget {
		return all, err
	}
	for _, app := range apps {
		if !config.Has(app) {
			return nil, &control.Error{Code: api.CodeNoTarget, Message: fmt.Sprintf("no app %q in %s", app, config.Path)}
		}
	}
	if len(apps) == 0 {
		for i := range config.Apps {
			apps = append(apps, config.Apps[i].Name)
		}
	}
	told := untilTold(ctx, func() { all, err = api.AuditReleases(store, apps) })
	if told != nil {
		return nil, told
	}
	return all, err
}

func (c *call) findings(ctx context.Context, apps []string) ([]api.Finding, error) {
	client := c.client()
	defer client.Close()
	if len(apps) == 0 {
		apps = []string{""} // all
	}
	all := []api.Finding{}
	for _, app := range apps {
		some, err := client.Audit(ctx, app)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// sentence gives `whois 1.4.0: manage.py: size 12, was 10`.
func sentence(f api.Finding) string {
	text := f.App
	for _, part := range []struct{ before, s string }{{" ", f.Release}, {": ", f.Path}, {": ", f.Message}} {
		if part.s != "" {
			text += part.before + printable(part.s)
		}
	}
	return strings.TrimPrefix(text, ": ") // of supd itself
}
