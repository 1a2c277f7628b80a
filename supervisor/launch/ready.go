package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/probe"
)

// ask starts asking whether the worker is ready, in a goroutine that ends with the
// first yes, or when nobody wants to know any more. Uptime is the owner's own
// deadline, and the log and notify kinds are reported by those who read them.
func (w *Worker) ask(with launchedWith) {
	ready := w.spec.Process.Ready
	how, question := w.question(with, ready.Question())
	if question == nil {
		return
	}
	asks, stop := context.WithCancel(w.life)
	w.asking, w.stopAsking = make(chan struct{}), stop
	go func() {
		defer close(w.asking)
		defer stop()
		err := probe.Until(asks, askAgain, func(ctx context.Context) error {
			// So that an answer that does not come is known before the time is up.
			ctx, cancel := context.WithTimeout(ctx, ready.Timeout/2)
			defer cancel()
			err := question(ctx)
			if err != nil {
				text := err.Error()
				w.answer.Store(&text)
			}
			return err
		})
		if err == nil {
			w.spec.Report.Ready(how)
		}
	}()
}

// question gives what to ask, and what a yes means.
func (w *Worker) question(with launchedWith, q configs.Question) (how string, ask func(context.Context) error) {
	switch {
	case q.HTTP != "" && q.HTTP[0] != '/':
		return "GET " + q.HTTP, func(ctx context.Context) error { return probe.HTTPURL(ctx, q.HTTP) }
	case q.HTTP != "":
		at := w.askedAt(q)
		return "GET " + q.HTTP, func(ctx context.Context) error {
			return probe.HTTP(ctx, at.Network, at.Address, "localhost", q.HTTP)
		}
	case q.TCP == "probe":
		return "accepts connections", w.accepts
	case q.TCP != "":
		return "accepts connections", func(ctx context.Context) error { return probe.TCP(ctx, "tcp", q.TCP) }
	case q.Exec != nil:
		return "command succeeded", func(ctx context.Context) error {
			return with.ask(ctx, func(s privdrop.Spec) error { return w.exec(ctx, s, q.Exec) })
		}
	case q.File != "":
		return "modified its file", func(ctx context.Context) error {
			return with.ask(ctx, func(s privdrop.Spec) error { return w.modified(ctx, s, q) })
		}
	}
	return "", nil
}

// askedAt is where the question goes: to the worker's own socket, unless the
// configuration names a shared one.
func (w *Worker) askedAt(q configs.Question) Address {
	if q.Socket != "" && !w.spec.Candidate {
		return w.spec.Address(q.Socket)
	}
	return w.probeAddress()
}

func (w *Worker) probeAddress() Address {
	if w.probe == nil { // it could not be taken over; the worker has it all the same
		return Address{"unix", w.probePath}
	}
	network, at := w.probe.Addr()
	return Address{network, at}
}

// accepts connects to the worker's own socket, and waits until the worker has
// taken the connection out of the queue: that it was made says nothing, since the
// kernel completes connections to a socket that nobody serves.
func (w *Worker) accepts(ctx context.Context) error {
	at := w.probeAddress()
	var d net.Dialer
	conn, err := d.DialContext(ctx, at.Network, at.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if w.probe == nil {
		return nil // nobody can look at its queue
	}
	return probe.Until(ctx, queueLook, func(context.Context) error {
		switch waiting, _, err := w.probe.Queue(); {
		case err != nil:
			return err
		case waiting > 0:
			return errors.New("connection not accepted")
		}
		return nil
	})
}

// Between two looks at a queue, and between two questions whether it is ready, at
// first.
const (
	queueLook = time.Millisecond
	askAgain  = 10 * time.Millisecond
)

// exec runs a command as the worker runs, without its sockets; an end that is not
// good is an error.
func (w *Worker) exec(ctx context.Context, spec privdrop.Spec, command []string) error {
	argv, err := expandAll(command, spec, w.spec)
	if err != nil {
		return err
	}
	null := int(w.launcher.Null.Fd())
	spec.Argv, spec.Files, spec.ListenNames = argv, []int{null, null, null}, nil
	spec.Watchdog, spec.CgroupFD = 0, 0
	plan, err := spec.Plan()
	if err != nil {
		return err
	}
	failure, err := w.launcher.Run(ctx, plan)
	if err == nil && failure != "" {
		err = fmt.Errorf("%s: %s", argv[0], failure)
	}
	return err
}

func expandAll(args []string, spec privdrop.Spec, s Spec) ([]string, error) {
	vars := variables(s)
	addEnv(vars, spec.Env)
	var all []string
	for _, arg := range args {
		arg, err := configs.Expand(arg, vars)
		if err != nil {
			return nil, fmt.Errorf("exec: %w", err)
		}
		all = append(all, arg)
	}
	return all, nil
}
