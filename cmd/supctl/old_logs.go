package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// How many bytes tail shows, and how many before it follows.
const (
	oldTail   = 1600
	oldBefore = 1024
	mostTail  = 1 << 20 // supd tells of so many lines
)

// ending is what tail is to show.
type ending struct {
	bytes  int
	follow bool
}

// parseEnding takes -f, or -N for so many bytes, from the arguments.
func parseEnding(args []string) (e ending, rest []string, err error) {
	e.bytes = oldTail
	if len(args) == 0 || !strings.HasPrefix(args[0], "-") {
		return e, args, nil
	}
	switch n, bad := strconv.Atoi(args[0][1:]); {
	case args[0] == "-f":
		e = ending{oldBefore, true}
	case bad != nil || n < 0:
		return e, nil, fmt.Errorf("bad argument %s: want -f, or - and a number of bytes", args[0])
	case n > mostTail:
		return e, nil, fmt.Errorf("bad argument %s: want %d bytes at most", args[0], mostTail)
	default:
		e.bytes = n
	}
	return e, args[1:], nil
}

func (o *old) tail(ctx context.Context, args []string) error {
	e, rest, err := parseEnding(args)
	switch {
	case err != nil:
		return o.usage(oldFailed, "%s", err)
	case len(rest) == 0:
		return o.usage(oldFailed, "tail needs the name of a process")
	case len(rest) > 1 && rest[1] != "stdout" && rest[1] != "stderr": // one log has both
		return o.usage(oldFailed, "bad channel '%s': want stdout or stderr", rest[1])
	case len(rest) > 2:
		return o.usage(oldFailed, "tail shows one process at a time")
	}
	all, err := o.lookUp(ctx, rest[:1])
	if err != nil {
		return err
	}
	name, logs := rest[0], processesOf(all[0].all)
	if len(logs) != 1 {
		o.say("%s: ERROR (no such process name)", name)
		o.code = oldFailed
		if len(logs) > 1 {
			o.because(name, "it names several processes: "+strings.Join(logs, ", "))
		}
		return nil
	}
	return o.end(ctx, logs[0], e)
}

// processesOf are the processes whose workers are listed, as supctl names them.
func processesOf(all listing) (names []string) {
	for _, l := range all {
		if l.worker == nil {
			continue
		}
		if name := l.group + "/" + l.process.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (o *old) maintail(ctx context.Context, args []string) error {
	e, rest, err := parseEnding(args)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("bad argument %s: maintail is for supd's own log", rest[0])
	}
	if err != nil {
		return o.usage(oldFailed, "%s", err)
	}
	return o.end(ctx, control.OwnLog, e)
}

// end shows the end of a log, and goes on with what is added to it.
func (o *old) end(ctx context.Context, target string, e ending) error {
	client := o.client()
	defer client.Close()
	log, err := client.Log(ctx, control.LogQuery{Target: target, Lines: e.bytes}) // a line has a byte at least
	if err != nil {
		return err
	}
	defer log.Close()
	last, err := lastBytes(log, e.bytes)
	if err != nil {
		return err
	}
	to := asItIs(o.out)
	if isTerminal(o.out) {
		to = o.out
	}
	if !e.follow {
		fmt.Fprintf(to, "%s\n", last) // with one end of line more, as supervisorctl has it
		return nil
	}
	fmt.Fprintf(to, "==> Press Ctrl-C to exit <==\n%s", last)
	var lock sync.Mutex
	err = o.copyOn(ctx, client, logRequest{follow: true, from: log.Position()}, source{process: target}, &lock, true)
	if ctx.Err() != nil {
		return nil // an interrupt is the normal end
	}
	return err
}

// lastBytes reads to the end, and keeps no more than twice what is wanted.
func lastBytes(r io.Reader, n int) ([]byte, error) {
	var kept []byte
	piece := make([]byte, 32<<10)
	for {
		got, err := r.Read(piece)
		if kept = append(kept, piece[:got]...); len(kept) > 2*n {
			kept = append(kept[:0], kept[len(kept)-n:]...)
		}
		if err == io.EOF {
			return kept[max(0, len(kept)-n):], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// clear empties logs. One that several workers share is cleared for all of them or not at
// all.
func (o *old) clear(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return o.usage(oldFailed, "clear needs the name of a process, or all")
	}
	all, err := o.lookUp(ctx, names)
	if err != nil {
		return err
	}
	for _, w := range all {
		if len(w.all) == 0 {
			o.missing(w, oldFailed)
			continue
		}
		if err := o.clearAll(ctx, w.all); err != nil {
			return err
		}
	}
	return nil
}

func (o *old) clearAll(ctx context.Context, all listing) error {
	for _, process := range processesOf(all) {
		workers := all.where(func(l *listed) bool { return l.worker != nil && l.group+"/"+l.process.Name == process })
		outcome := api.Outcome{Code: api.CodeFailed, Message: "its log is that of all workers of the process; clear " + process}
		if len(workers) == len(workers[0].process.Workers) {
			result, err := o.client().Do(ctx, api.Request{Action: api.ActionClear, Targets: []string{process}})
			if err != nil {
				return err
			}
			outcome = worstOf(result)
		}
		for _, l := range workers {
			o.came(l, "cleared", outcome)
		}
	}
	return nil
}

func worstOf(r *api.Result) (worst api.Outcome) {
	for _, outcome := range r.Outcomes {
		if outcome.Code >= worst.Code {
			worst = outcome
		}
	}
	return worst
}

// fg has no counterpart: nobody can type into a worker.
func (o *old) fg(ctx context.Context, names []string) error {
	if len(names) != 1 {
		return o.usage(oldFailed, "fg needs the name of one process")
	}
	all, err := o.lookUp(ctx, names)
	if err != nil {
		return err
	}
	o.code = oldFailed
	if len(all[0].all) == 0 {
		o.say("ERROR: bad process name supplied")
		return nil
	}
	o.say("ERROR: supd gives no process anything to read; `supctl logs -f %s` shows what it prints", strings.Join(processesOf(all[0].all), " "))
	return nil
}
