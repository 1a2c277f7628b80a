package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/output"
)

// longestLine bounds a line: a longer one is written in pieces.
const longestLine = 64 << 10

// logRequest has the flags of logs.
type logRequest struct {
	lines  int       // below 0: all, since a time
	since  time.Time // zero: whenever it was written
	from   string    // where it was when the connection was lost; "": it was not
	follow bool
	raw    bool // as it was written, also to a terminal
	prefix bool // before each line, also of one process
}

func (c *call) logs() *cobra.Command {
	var r logRequest
	since := ""
	cmd := &cobra.Command{
		Use:     "logs [TARGET…]",
		Aliases: []string{"tail"},
		Short:   "Show the last lines of captured output",
		Long: "Show the last lines of captured output, also of files that were rotated. The target supd is\n" +
			"supd's own log, unless an app has that name.\n\n" +
			"A log holds the lines as the workers of a process wrote them. So --since goes by the times\n" +
			"that they begin with, and --prefix tells the worker where the process has only one; with\n" +
			"log.prefix = \"stream\" in its configuration each line says when it was written, by which\n" +
			"worker, and whether to standard output or to standard error.",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			switch {
			case c.json:
				return errors.New("logs has no --json")
			case r.lines < 0:
				return fmt.Errorf("--lines %d: want 0 or more", r.lines)
			}
			if since != "" {
				if r.since, err = parseSince(since, time.Now()); err != nil {
					return err
				}
				if !cmd.Flags().Changed("lines") {
					r.lines = -1
				}
			}
			return c.showLogs(cmd.Context(), r, args)
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "what was written since, such as 10m ago or `TIME` \"2026-11-24 12:00\"")
	cmd.Flags().BoolVar(&r.prefix, "prefix", false, "put the process before each line, or the worker where it is the only one")
	cmd.Flags().IntVarP(&r.lines, "lines", "n", 10, "how many lines of each process")
	cmd.Flags().BoolVar(&r.raw, "raw", false, "as it was written, also to a terminal; else that gets only what is printable")
	cmd.Flags().BoolVarP(&r.follow, "follow", "f", false, "go on with what is written from now on, until interrupted, also over a restart of supd")
	return cmd
}

// sinceForms are ways to write a time; one without a date is of today.
var sinceForms = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly, time.TimeOnly, "15:04"}

// parseSince reads how long ago, or a time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, form := range sinceForms {
		at, err := time.ParseInLocation(form, text, time.Local)
		if err != nil {
			continue
		}
		if at.Year() == 0 {
			at = time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.Local)
		}
		return at, nil
	}
	return time.Time{}, fmt.Errorf("--since %q: want how long ago, such as 10m, or a time such as %q", text, "2026-11-24 12:00")
}

// source is the log of one process.
type source struct {
	process string // "whois/web"; or supd's own
	worker  string // that alone writes into it; "": there are several
	says    bool   // its lines say themselves who wrote them
	prefix  string // put before its lines
	whole   bool   // lines are written whole, since there are others, or a prefix
	fate    string // what becomes of its lines where supd cannot show them
}

func (c *call) showLogs(ctx context.Context, r logRequest, targets []string) error {
	client := c.client()
	sources, err := c.logSources(ctx, client, targets)
	if err != nil {
		return err
	}
	sources = c.withFile(sources)
	c.prefix(sources, r.prefix)
	if !r.follow {
		return c.readLogs(ctx, client, r, sources)
	}
	err = c.followLogs(ctx, client, r, sources)
	if ctx.Err() != nil {
		return nil // an interrupt is the normal end
	}
	return err
}

// logSources lists the logs that targets name.
func (c *call) logSources(ctx context.Context, client *control.Client, targets []string) ([]source, error) {
	s, err := client.Status(ctx, targets...)
	if codeOfError(err) != api.CodeNoTarget || control.NoAnswer(err) || !slices.Contains(targets, control.OwnLog) {
		return processLogs(s, len(targets) > 0), err
	}
	own := []source{{process: control.OwnLog, worker: control.OwnLog}} // no app has that name
	others := slices.DeleteFunc(slices.Clone(targets), func(target string) bool { return target == control.OwnLog })
	if len(others) == 0 {
		return own, nil
	}
	s, err = client.Status(ctx, others...)
	return append(own, processLogs(s, true)...), err
}

// processLogs lists each log once, though several processes may share one. A process
// without workers has one only where it is named.
func processLogs(s *api.Status, named bool) (all []source) {
	first := map[string]int{}
	for _, a := range s.Apps {
		for _, p := range a.Processes {
			if len(p.Workers) == 0 && !named {
				continue
			}
			if i, seen := first[p.Log]; seen {
				all[i].worker = ""
				continue
			}
			first[p.Log] = len(all)
			one := source{process: a.Name + "/" + p.Name, fate: output.FateOf(p.Log), says: p.LogPrefix != ""}
			if p.Count == 1 {
				one.worker = api.WorkerName(a.Name, p.Name, 1)
			}
			all = append(all, one)
		}
	}
	return all
}

// prefix says what is put before lines that do not say it themselves: the process where
// there are several, and where it is asked for the worker, as far as the log tells.
func (c *call) prefix(all []source, asked bool) {
	if len(all) < 2 && !asked {
		return
	}
	width := 0
	for i, s := range all {
		all[i].whole = true
		if s.says {
			continue
		}
		all[i].prefix = s.process
		switch {
		case asked && s.worker != "":
			all[i].prefix = s.worker
		case asked:
			c.complain(api.CodeDone, "the log of %s has the lines of several workers, and does not hold which of them wrote one, nor to which stream: "+
				"with log.prefix = %q each line says both", s.process, configs.PrefixStream)
		}
		width = max(width, len(all[i].prefix))
	}
	for i, s := range all {
		if s.prefix != "" {
			all[i].prefix = fmt.Sprintf("%-*s | ", width, s.prefix)
		}
	}
}

// withFile leaves out the sources that go to no file, and says so. If all
// do, it keeps them, and supd's answer says so.
func (c *call) withFile(all []source) (shown []source) {
	for _, s := range all {
		if s.fate == "" {
			shown = append(shown, s)
		}
	}
	if len(shown) == 0 {
		return all
	}
	for _, s := range all {
		if s.fate != "" {
			c.complain(api.CodeDone, "the output of %s %s, and is not shown", s.process, s.fate)
		}
	}
	return shown
}

// readLogs shows one log after the other.
func (c *call) readLogs(ctx context.Context, client *control.Client, r logRequest, sources []source) error {
	var lock sync.Mutex
	for _, s := range sources {
		if _, _, err := c.copyLog(ctx, client, r, s, &lock); err != nil {
			return err
		}
	}
	return nil
}

// followLogs shows all at the same time, also over restarts of supd. It ends with the first
// that ends.
func (c *call) followLogs(ctx context.Context, client *control.Client, r logRequest, sources []source) error {
	if len(sources) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var lock sync.Mutex // one line is written at a time
	ended := make(chan error)
	for i, s := range sources {
		go func() { ended <- c.copyOn(ctx, client, r, s, &lock, i == 0) }()
	}
	first := <-ended
	cancel()
	for range sources[1:] {
		<-ended
	}
	return first
}

// copyOn copies a log, and goes on where it was when supd has come back. One of several
// tells that it has gone.
func (c *call) copyOn(ctx context.Context, client *control.Client, r logRequest, s source, lock *sync.Mutex, tells bool) error {
	for {
		at, begun, err := c.copyLog(ctx, client, r, s, lock)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !control.NoAnswer(err):
			return err
		case begun && at == "": // it is older, and does not tell
			return &control.Error{Code: api.CodeNoTarget, Message: "supd on " + c.socket + " has ended"}
		}
		if tells {
			c.complain(api.CodeDone, "supd on %s has ended, waiting for it to come back", c.socket)
		}
		if err := awaitSupd(ctx, client); err != nil {
			return err
		}
		r.from = at
	}
}

// copyLog copies a log to its end, and says where that is, and whether it has begun. With
// follow, the end is that of supd.
func (c *call) copyLog(ctx context.Context, client *control.Client, r logRequest, s source, lock *sync.Mutex) (at string, begun bool, err error) {
	log, err := client.Log(ctx, control.LogQuery{Target: s.process, Since: r.since, Lines: r.lines, From: r.from, Follow: r.follow})
	if err != nil {
		return r.from, false, err
	}
	defer log.Close()
	to, toTerminal := asItIs(c.out), !r.raw && isTerminal(c.out)
	if toTerminal {
		to = c.out
	}
	if !s.whole && !toTerminal {
		_, err = io.Copy(to, log)
	} else { // whole lines, since a read may end within a character
		err = prefixLines(to, log, s.prefix, lock)
	}
	_, isOfAPI := errors.AsType[*control.Error](err)
	if err != nil && !isOfAPI {
		err = failed("log of %s: %s", s.process, err)
	}
	return log.Position(), true, err
}

// A process may have written lines of any length, and so may whoever owns its log.
const (
	mostQuoted  = 64 << 10 // bytes of the last lines that are shown beside a state
	mostAwaited = 1 << 20  // bytes that are read to get there
)

// tail gives the last lines of a process, the first of them cut where they are longer than
// mostQuoted together.
func (c *call) tail(ctx context.Context, process string, lines int) ([]string, error) {
	log, err := c.client().Logs(ctx, process, lines, false)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	awaited := &io.LimitedReader{R: log, N: mostAwaited}
	text, err := lastBytes(awaited, mostQuoted)
	switch {
	case err != nil:
		return nil, failed("log of %s: %s", process, err)
	case awaited.N == 0:
		return nil, failed("the last %d lines of %s are longer than %d MiB; `supctl logs %[2]s` shows them", lines, process, mostAwaited>>20)
	}
	return slices.Collect(strings.Lines(string(text))), nil
}

// prefixLines writes each line whole. A line that is longer than longestLine is
// written as several.
func prefixLines(w io.Writer, r io.Reader, prefix string, lock *sync.Mutex) error {
	b := bufio.NewReaderSize(r, longestLine)
	for {
		line, err := b.ReadSlice('\n')
		if len(line) > 0 {
			if err := writeLine(w, prefix, line, lock); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func writeLine(w io.Writer, prefix string, line []byte, lock *sync.Mutex) error {
	lock.Lock()
	defer lock.Unlock()
	text := append([]byte(prefix), line...)
	if text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	_, err := w.Write(text)
	return err
}
