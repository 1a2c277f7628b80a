package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/probe"
)

// ask starts asking whether the worker is ready, in a goroutine that ends with
// the first yes or with ctx. Uptime is the owner's own deadline, and the log and
// notify kinds are reported by those who read them.
func (r *running) ask(ctx context.Context, l *linux, j job, spec privdrop.Spec, report func(event)) {
	ready, question := r.question(l, j, spec, j.process.Ready.Question())
	if question == nil {
		return
	}
	r.asking = make(chan struct{})
	go func() {
		defer close(r.asking)
		err := probe.Until(ctx, askAgain, func(ctx context.Context) error {
			// So that an answer that does not come is known before the time is up.
			ctx, cancel := context.WithTimeout(ctx, j.process.Ready.Timeout/2)
			defer cancel()
			err := question(ctx)
			if err != nil {
				text := err.Error()
				r.last.Store(&text)
			}
			return err
		})
		if err == nil {
			report(func(o *owner) { o.becameReady(j.worker, ready) })
		}
	}()
}

// question gives what to ask, and what a yes means.
func (r *running) question(l *linux, j job, spec privdrop.Spec, q configs.Question) (string, func(context.Context) error) {
	switch {
	case q.HTTP != "" && q.HTTP[0] != '/':
		return "GET " + q.HTTP, func(ctx context.Context) error { return probe.HTTPURL(ctx, q.HTTP) }
	case q.HTTP != "":
		at := r.asked(j, q)
		return "GET " + q.HTTP, func(ctx context.Context) error {
			return probe.HTTP(ctx, at.network, at.address, "localhost", q.HTTP)
		}
	case q.TCP == "probe":
		return "accepts connections", r.accepts
	case q.TCP != "":
		return "accepts connections", func(ctx context.Context) error { return probe.TCP(ctx, "tcp", q.TCP) }
	case q.Exec != nil:
		return "command succeeded", func(ctx context.Context) error { return l.exec(ctx, j, spec, q.Exec) }
	}
	return "", nil
}

// address is what a question dials.
type address struct{ network, address string }

// asked is where the question goes: to the worker's own socket, unless the
// configuration names a shared one.
func (r *running) asked(j job, q configs.Question) address {
	if q.Socket != "" && !j.private {
		return j.shared(q.Socket)
	}
	if r.probe == nil { // it could not be taken over; the worker has it all the same
		return address{"unix", r.probePath}
	}
	network, at := r.probe.Addr()
	return address{network, at}
}

// accepts connects to the worker's own socket, and waits until the worker has
// taken the connection out of the queue: that it was made says nothing, since the
// kernel completes connections to a socket that nobody serves.
func (r *running) accepts(ctx context.Context) error {
	at := address{"unix", r.probePath}
	if r.probe != nil {
		at.network, at.address = r.probe.Addr()
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, at.network, at.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if r.probe == nil {
		return nil // nobody can look at its queue
	}
	return probe.Until(ctx, queueLook, func(context.Context) error {
		switch waiting, _, err := r.probe.Queue(); {
		case err != nil:
			return err
		case waiting > 0:
			return errors.New("connection not accepted")
		}
		return nil
	})
}

// Between two looks at a queue, and between two questions, at first.
const (
	queueLook = time.Millisecond
	askAgain  = 10 * time.Millisecond
)

// exec runs a command that asks as the worker would run, without its sockets, and
// tells whether it exits with 0.
func (l *linux) exec(ctx context.Context, j job, spec privdrop.Spec, command []string) error {
	argv, err := expandAll(command, spec, j)
	if err != nil {
		return err
	}
	null := int(l.null.Fd())
	spec.Argv, spec.Files, spec.ListenNames = argv, []int{null, null, null}, nil
	spec.Watchdog, spec.CgroupFD = 0, 0
	plan, err := spec.Plan()
	if err != nil {
		return err
	}
	d, err := l.task(ctx, plan)
	if err != nil {
		return err
	}
	if !d.clean([]int{0}, nil) {
		return fmt.Errorf("%s: %s", argv[0], d)
	}
	return nil
}

func expandAll(args []string, spec privdrop.Spec, j job) ([]string, error) {
	vars := variables(j)
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

// task starts a process that is no worker and waits for its end, which the owner
// reaps. It is killed with its process group when ctx ends.
func (l *linux) task(ctx context.Context, plan *privdrop.Plan) (death, error) {
	l.post(func(o *owner) { o.launching++ })
	process, err := plan.Start()
	if err != nil {
		l.post(func(o *owner) { o.launching--; o.forgetStrays() })
		return death{}, err
	}
	defer process.Close()
	ended := make(chan death, 1)
	l.post(func(o *owner) { o.tasked(process, ended) })
	select {
	case d := <-ended:
		return d, nil
	case <-ctx.Done():
		l.post(func(o *owner) { o.killTask(process.Pid) })
		return death{}, ctx.Err()
	}
}

// killTask kills a task and its process group, unless the owner has reaped it: the
// pid may be somebody else's then.
func (o *owner) killTask(pid int) {
	if o.tasks[pid] != nil {
		unix.Kill(-pid, unix.SIGKILL)
	}
}

// tasked is the event of a started task.
func (o *owner) tasked(p *privdrop.Process, ended chan death) {
	o.launching--
	if d, ok := o.strays[p.Pid]; ok && !p.Alive() {
		ended <- d
	} else {
		o.tasks[p.Pid] = ended
	}
	o.forgetStrays()
}
