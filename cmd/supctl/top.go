package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// How long top waits between two looks where it is not told, and how long at least.
const (
	topInterval   = 2 * time.Second
	onceInterval  = time.Second // of the two looks that one table takes
	leastInterval = 100 * time.Millisecond
)

// sortKeys are the columns that --sort names, by key.
var sortKeys = map[string]byte{"name": 'n', "cpu": 'c', "memory": 'm', "fds": 'f', "restarts": 'r', "queue": 'w', "requests": 's', "errors": 'e'}

// topOptions are those of top.
type topOptions struct {
	targets  []string
	interval time.Duration
	once     bool
	apps     bool
	sort     string
}

func (c *call) top() *cobra.Command {
	o := topOptions{}
	cmd := &cobra.Command{
		Use:   "top [TARGET…]",
		Short: "Show what workers use, live",
		Long: "Show what workers use, live: of each, with all its descendants, state, release, CPU\n" +
			"(100 is one CPU), memory, file descriptors, restarts, and how many connections wait in\n" +
			"the accept queue that it takes from. Requests a second and the share of 5xx among them\n" +
			"are there for processes that say so. The keys are in the last line. Where it is not on\n" +
			"a terminal it prints one table, of two looks a second apart, and ends.",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			o.targets = args
			client := c.client()
			defer client.Close()
			switch {
			case c.json:
				return c.topJSON(cmd.Context(), client, o)
			case o.once || !c.interactive():
				if !cmd.Flags().Changed("interval") {
					o.interval = onceInterval
				}
				return c.topOnce(cmd.Context(), client, o)
			default:
				return c.topLive(cmd.Context(), client, o)
			}
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.apps, "apps", "a", false, "show an app a line, not a worker")
	flags.DurationVarP(&o.interval, "interval", "i", topInterval, "how long to wait between two looks")
	flags.BoolVarP(&o.once, "once", "1", false, "print one table and end, also on a terminal")
	flags.StringVarP(&o.sort, "sort", "s", "name", "the column to sort by: "+sortNames())
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(slices.Sorted(maps.Keys(sortKeys)), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func sortNames() string { return strings.Join(slices.Sorted(maps.Keys(sortKeys)), ", ") }

func (o topOptions) check() error {
	switch {
	case o.interval < leastInterval:
		return fmt.Errorf("--interval %s: want %s or more", o.interval, leastInterval)
	case sortKeys[o.sort] == 0:
		return fmt.Errorf("--sort %s: want one of %s", o.sort, sortNames())
	}
	return nil
}

func (c *call) topJSON(ctx context.Context, client *control.Client, o topOptions) error {
	f, err := client.Figures(ctx, o.targets...)
	if err != nil {
		return err
	}
	return c.print(f)
}

// topOnce prints one table. It takes two looks: what is used is a difference.
func (c *call) topOnce(ctx context.Context, client *control.Client, o topOptions) error {
	before, err := client.Figures(ctx, o.targets...)
	if err != nil {
		return err
	}
	select {
	case <-time.After(o.interval):
	case <-ctx.Done():
		return ctx.Err()
	}
	now, err := client.Figures(ctx, o.targets...)
	if err != nil {
		return err
	}
	width := unlimited
	if isTerminal(c.out) {
		width, _ = sizeOf(c.out)()
	}
	key, all := sortKeys[o.sort], columns(o.apps)
	g := layOut(sorted(loadsOf(now, before, o.apps), all, key), all, key, width)
	fmt.Fprintln(c.out, cut(g.header(), width))
	for r := range g.rows {
		if err := draw(c.out, g.row(r, width, c.colored())+"\n"); err != nil {
			break // which written tells
		}
	}
	for _, note := range notes(now) { // not where scripts read a row a line
		fmt.Fprintln(c.err, note)
	}
	return nil
}

// unlimited is the width of what is not a terminal.
const unlimited = 1 << 20

// topView is what the terminal shows.
type topView struct {
	now, before *api.Figures
	trouble     string // why there is nothing newer
	apps        bool
	key         byte // it is sorted by
	top         int  // first row shown
}

// take enters a look, or why there was none.
func (v *topView) take(f *api.Figures, err error) {
	if err != nil {
		if v.trouble = err.Error(); control.NoAnswer(err) {
			v.trouble = "waiting for supd: " + v.trouble
		}
		return
	}
	v.now, v.before, v.trouble = f, v.now, ""
}

// press does what a key asks for; false is the end.
func (v *topView) press(key string, page int) bool {
	switch key {
	case "q", ctrlC:
		return false
	case "a":
		v.apps, v.top = !v.apps, 0
	case "up":
		v.top--
	case "down":
		v.top++
	case "page up":
		v.top -= page
	case "page down":
		v.top += page
	default:
		for _, k := range sortKeys {
			if string(k) == key {
				v.key, v.top = k, 0
			}
		}
	}
	return true
}

// lines gives what a terminal of this size shows.
func (v *topView) lines(width, height int, colored bool) []string {
	all := columns(v.apps)
	g := layOut(sorted(loadsOf(v.now, v.before, v.apps), all, v.key), all, v.key, width)
	below := v.below(g, width, height)
	room := max(0, height-2-len(below)) // 2 lines: summary and header
	v.top = max(0, min(v.top, len(g.rows)-room))
	lines := []string{v.summary(), g.header()}
	for i := range lines {
		lines[i] = cut(lines[i], width)
	}
	for r := v.top; r < min(len(g.rows), v.top+room); r++ {
		lines = append(lines, g.row(r, width, colored))
	}
	for len(lines) < height-len(below) {
		lines = append(lines, "")
	}
	lines = append(lines, below...)
	return lines[:min(len(lines), max(height, 0))]
}

// below are the lines at the bottom: what is wrong, and the keys.
func (v *topView) below(g grid, width, height int) []string {
	var all []string
	if v.trouble != "" {
		all = append(all, printable(v.trouble))
	} else if all = notes(v.now); len(all) > max(1, height/4) {
		all = all[:max(1, height/4)]
	}
	all = append(all, keysOf(g, v.apps, len(g.rows) > height-3-len(all))) // 3 lines: and this one
	for i := range all {
		all[i] = cut(all[i], width)
	}
	return all
}

// keysOf names the keys that do something.
func keysOf(g grid, apps, scrolls bool) string {
	text := "q quit  a apps"
	if apps {
		text = "q quit  a workers"
	}
	if scrolls {
		text += "  ↑↓ scroll"
	}
	for _, c := range g.columns {
		if c.key != 0 {
			text += fmt.Sprintf("  %c %s", c.key, strings.ToLower(strings.Trim(c.title, "%")))
		}
	}
	return text
}

// summary gives `12 workers, 1 not ready   CPU 134%   MEM 1.2G of 16G   12:03:04`.
func (v *topView) summary() string {
	workers, missed, sum := 0, 0, tally{}
	var memory int64
	past := pastOf(v.now, v.before)
	for w := range figuresOf(v.now) {
		workers, missed, memory = workers+1, missed+one(w.Missed), memory+w.Memory()
		sum.add(past.since(w))
	}
	text := fmt.Sprintf("%d workers, %d not ready   CPU %s%%   MEM %s", workers, missed, percent(sum.rates(past.seconds).cpu), size(memory))
	if v.now.MemoryBytes > 0 {
		text += " of " + size(v.now.MemoryBytes)
	}
	return text + "   " + v.now.At.Local().Format(time.TimeOnly)
}
