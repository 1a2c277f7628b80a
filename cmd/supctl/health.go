package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// healthCommand is the name of a command with exit codes of its own.
const healthCommand = "check-health"

// level is an exit code of a Nagios plug-in.
type level int

const (
	levelOK level = iota
	levelWarning
	levelCritical
	levelUnknown
)

func (l level) String() string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[l] }

func (l level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// healthOptions are those of check-health.
type healthOptions struct {
	warn, crit []string // NAME=RANGE
	timeout    time.Duration
}

func (c *call) checkHealth() *cobra.Command {
	o := healthOptions{}
	cmd := &cobra.Command{
		Use:   healthCommand + " [TARGET…]",
		Short: "Tell Nagios and its kin whether all is well",
		Long: "Tell Nagios, Icinga, Sensu and the like whether all is well.\n\n" +
			"Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, also where supd does not answer\n" +
			"or the command line is wrong. The first line has what is worst and, after a |,\n" +
			"performance data; the lines after it have each problem.\n\n" +
			"It checks, with its ranges for WARNING and CRITICAL:\n\n" + checkList() + "\n" +
			"--warn and --crit change them: --warn restarts=5,queue=30 --crit queue=60. A range is\n" +
			"that of the Nagios plug-in guidelines: 10 alerts above 10 and below 0, 10: below 10,\n" +
			"~:10 above 10, @10:20 from 10 to 20, ~: never.",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			limits, err := o.limits()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), o.timeout,
				&control.Error{Code: api.CodeTimeout, Message: fmt.Sprintf("supd on %s does not answer within %s", c.socket, o.timeout)})
			defer cancel()
			client := c.client()
			defer client.Close()
			f, err := client.Figures(ctx, args...)
			if err != nil {
				return err
			}
			return c.pronounce(judge(f, limits))
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVarP(&o.warn, "warn", "w", nil, "`NAME=RANGE` of what is a WARNING")
	flags.StringSliceVarP(&o.crit, "crit", "c", nil, "`NAME=RANGE` of what is CRITICAL")
	flags.DurationVarP(&o.timeout, "timeout", "t", 10*time.Second, "how long to wait for supd, which is no more than 10s")
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var all []string
		for _, one := range checks {
			all = append(all, one.name+"=")
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	_ = cmd.RegisterFlagCompletionFunc("warn", complete)
	_ = cmd.RegisterFlagCompletionFunc("crit", complete)
	return cmd
}

// checkList is a line for each check.
func checkList() string {
	var b strings.Builder
	orNever := func(text, unit string) string {
		if text == "" {
			return "-"
		}
		return text + unit
	}
	for _, one := range checks {
		fmt.Fprintf(&b, "  %-9s  %5s  %6s  %s\n", one.name, orNever(one.warn, one.unit), orNever(one.crit, one.unit), one.about)
	}
	return b.String()
}

// limit is what alerts in a check.
type limit struct{ warn, crit bounds }

func (l limit) of(value float64) level {
	switch {
	case l.crit.alerts(value):
		return levelCritical
	case l.warn.alerts(value):
		return levelWarning
	}
	return levelOK
}

// limits are those of all checks, in their order.
func (o healthOptions) limits() ([]limit, error) {
	limits := make([]limit, len(checks))
	for i, one := range checks {
		if one.warn != "" {
			limits[i].warn, _ = parseBounds(one.warn)
		}
		if one.crit != "" {
			limits[i].crit, _ = parseBounds(one.crit)
		}
	}
	if o.timeout <= 0 {
		return nil, fmt.Errorf("--timeout %s: want more than 0", o.timeout)
	}
	set := func(flag string, texts []string, of func(*limit) *bounds) error {
		for _, text := range texts {
			name, value, _ := strings.Cut(text, "=")
			i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
			if i < 0 {
				return fmt.Errorf("--%s %s: want NAME=RANGE, with a name of %s", flag, text, checkNames())
			}
			b, err := parseBounds(value)
			if err != nil {
				return fmt.Errorf("--%s %s: %w", flag, text, err)
			}
			*of(&limits[i]) = b
		}
		return nil
	}
	return limits, errors.Join(set("warn", o.warn, func(l *limit) *bounds { return &l.warn }),
		set("crit", o.crit, func(l *limit) *bounds { return &l.crit }))
}

func checkNames() string {
	names := make([]string, len(checks))
	for i, one := range checks {
		names[i] = one.name
	}
	return strings.Join(names, ", ")
}

// unknownHealth says why nothing is known. It is printed where monitors look for it.
func (c *call) unknownHealth(ctx context.Context, err error) {
	text := strings.TrimSpace(err.Error())
	switch _, answered := errors.AsType[*control.Error](err); {
	case ctx.Err() != nil:
		text = "interrupted"
	case !answered: // cobra's, about the command line
		text += " (see supctl " + healthCommand + " --help)"
	}
	_ = c.pronounce(verdict{State: levelUnknown, Code: int(levelUnknown), Summary: oneLine(text), Checks: []checked{}, Problems: []problem{}})
}

// pronounce prints a verdict, which becomes supctl's exit code.
func (c *call) pronounce(v verdict) error {
	c.worst(v.Code)
	if c.json {
		return c.print(v)
	}
	_, err := fmt.Fprint(c.out, v)
	return err
}

// judge compares what is with what may be.
func judge(f *api.Figures, limits []limit) verdict {
	v := verdict{Checks: []checked{}, Problems: []problem{}, known: map[string]int{}}
	for i, one := range checks {
		r := one.read(f)
		at := limits[i].of(r.value)
		v.State = max(v.State, at)
		v.Checks = append(v.Checks, checked{Name: one.name, Value: r.value, Unit: one.unit, Warn: limits[i].warn.text, Crit: limits[i].crit.text, State: at, most: r.most})
		if at == levelOK {
			continue
		}
		for _, item := range r.worst() {
			if l := limits[i].of(item.value); l != levelOK {
				v.add(problem{l, one.name, oneLine(item.text)})
			}
		}
		if len(r.items) == 0 { // such as a lower bound, and there is nothing
			v.add(problem{at, one.name, fmt.Sprintf("%s is %s", one.name, number(r.value))})
		}
	}
	slices.SortStableFunc(v.Problems, func(a, b problem) int { return int(b.State) - int(a.State) })
	v.Code, v.Summary = int(v.State), v.summary(f)
	return v
}
