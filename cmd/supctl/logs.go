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

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/output"
)

// longestLine bounds a line: a longer one is written in pieces.
const longestLine = 64 << 10

// logRequest has the flags of logs.
type logRequest struct {
	lines  int
	follow bool
	raw    bool // as it was written, also to a terminal
}

func (c *call) logs() *cobra.Command {
	var r logRequest
	cmd := &cobra.Command{
		Use:               "logs [TARGET…]",
		Short:             "Show the last lines of captured output",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case c.json:
				return errors.New("logs has no --json")
			case r.lines < 0:
				return fmt.Errorf("--lines %d: want 0 or more", r.lines)
			}
			return c.showLogs(cmd.Context(), r, args)
		},
	}
	cmd.Flags().IntVarP(&r.lines, "lines", "n", 10, "how many lines of each process")
	cmd.Flags().BoolVar(&r.raw, "raw", false, "as it was written, also to a terminal; else that gets only what is printable")
	cmd.Flags().BoolVarP(&r.follow, "follow", "f", false, "go on with what is written from now on, until interrupted")
	return cmd
}

// source is the log of one process.
type source struct {
	process string // "whois/web"
	prefix  string // put before its lines if there are several sources
	journal bool   // its lines go to the journal, and supd cannot show them
}

func (c *call) showLogs(ctx context.Context, r logRequest, targets []string) error {
	client := c.client()
	s, err := client.Status(ctx, targets...)
	if err != nil {
		return err
	}
	sources := c.withoutJournal(logSources(s, len(targets) > 0))
	if !r.follow {
		return c.readLogs(ctx, client, r, sources)
	}
	err = c.followLogs(ctx, client, r, sources)
	if ctx.Err() != nil {
		return nil // an interrupt is the normal end
	}
	return err
}

// logSources lists each log once, though several processes may share one. A process
// without workers has one only where it is named.
func logSources(s *api.Status, named bool) (all []source) {
	seen, width := map[string]bool{}, 0
	for _, a := range s.Apps {
		for _, p := range a.Processes {
			if seen[p.Log] || len(p.Workers) == 0 && !named {
				continue
			}
			seen[p.Log] = true
			name := a.Name + "/" + p.Name
			all, width = append(all, source{process: name, journal: strings.HasPrefix(p.Log, output.Journal)}), max(width, len(name))
		}
	}
	if len(all) > 1 {
		for i := range all {
			all[i].prefix = fmt.Sprintf("%-*s | ", width, all[i].process)
		}
	}
	return all
}

// withoutJournal leaves out the sources that go to the journal, and says so. If all
// do, it keeps them, and supd's answer says so.
func (c *call) withoutJournal(all []source) (shown []source) {
	for _, s := range all {
		if !s.journal {
			shown = append(shown, s)
		}
	}
	if len(shown) == 0 {
		return all
	}
	for _, s := range all {
		if s.journal {
			c.complain(api.CodeDone, "the output of %s goes to the journal, and is not shown", s.process)
		}
	}
	return shown
}

// readLogs shows one log after the other.
func (c *call) readLogs(ctx context.Context, client *control.Client, r logRequest, sources []source) error {
	var lock sync.Mutex
	for _, s := range sources {
		if err := c.copyLog(ctx, client, r, s, &lock); err != nil {
			return err
		}
	}
	return nil
}

// followLogs shows all at the same time. It ends with the first that ends.
func (c *call) followLogs(ctx context.Context, client *control.Client, r logRequest, sources []source) error {
	if len(sources) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var lock sync.Mutex // one line is written at a time
	ended := make(chan error)
	for _, s := range sources {
		go func() { ended <- c.copyLog(ctx, client, r, s, &lock) }()
	}
	first := <-ended
	cancel()
	for range sources[1:] {
		<-ended
	}
	if first == nil {
		first = &control.Error{Code: api.CodeNoTarget, Message: "supd on " + c.socket + " has ended"}
	}
	return first
}

func (c *call) copyLog(ctx context.Context, client *control.Client, r logRequest, s source, lock *sync.Mutex) error {
	log, err := client.Logs(ctx, s.process, r.lines, r.follow)
	if err != nil {
		return err
	}
	defer log.Close()
	to, toTerminal := asItIs(c.out), !r.raw && isTerminal(c.out)
	if toTerminal {
		to = c.out
	}
	if s.prefix == "" && !toTerminal {
		_, err = io.Copy(to, log)
	} else { // whole lines, since a read may end within a character
		err = prefixLines(to, log, s.prefix, lock)
	}
	if err != nil {
		return &control.Error{Code: api.CodeFailed, Message: fmt.Sprintf("log of %s: %s", s.process, err)}
	}
	return nil
}

// tail gives the last lines of a process.
func (c *call) tail(ctx context.Context, process string, lines int) ([]string, error) {
	log, err := c.client().Logs(ctx, process, lines, false)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		return nil, failed("log of %s: %s", process, err)
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
