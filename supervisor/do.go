package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"supd/privdrop"
	"supd/supervisor/api"
	"supd/supervisor/engine"
)

// Do asks for r and waits for its end, or for that of ctx; what was asked for
// goes on then.
func (s *Supervisor) Do(ctx context.Context, r api.Request) *api.Result {
	switch r.Action {
	case api.ActionReopen:
		if err := s.Reopen(); err != nil {
			return &api.Result{Code: api.CodeFailed, Error: err.Error()}
		}
		return &api.Result{}
	case api.ActionClear:
		return s.ofLogs(r, s.clearOne)
	case api.ActionRotate:
		return s.ofLogs(r, s.rotateOne)
	case api.ActionApply:
		return s.Apply(ctx, r)
	case api.ActionRefresh:
		return s.refresh(r)
	case api.ActionDeploy, api.ActionRollback, api.ActionResume, api.ActionHold, api.ActionUnhold, api.ActionUnregister:
		return s.ofRelease(ctx, r)
	default:
		return s.wait(ctx, func(o *engine.Owner, reply chan<- *api.Result) { o.Do(r, reply) })
	}
}

// Explain gives the launch plans of the workers that target names, as they would be
// launched now. Values of environment variables are left out.
func (s *Supervisor) Explain(target string) (all []api.Explanation, err error) {
	var wrong error
	launches, err := engine.Ask(s.owner, func(o *engine.Owner) (launches []engine.Launch) {
		launches, wrong = o.Launches(target)
		return launches
	})
	if err = errors.Join(err, wrong); err != nil {
		return nil, err
	}
	for _, l := range launches {
		plan, err := l.Explain()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name(), err)
		}
		all = append(all, api.Explanation{Name: l.Name(), Plan: plan})
	}
	return all, nil
}

// lastWords is how long is waited for what a program has said that has ended: something
// that it has left may have its output open.
const lastWords = time.Second

// RunCommand runs a program as supd itself runs, in a session of its own, which is killed
// when ctx is done first, and gives what it has said, up to 4 KiB. An end that is not good
// is an error with that. Its standard input is told.
func (s *Supervisor) RunCommand(ctx context.Context, argv, env []string) (said string, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer read.Close()
	told, err := told()
	if err != nil {
		write.Close()
		return "", err
	}
	defer told.Close()
	out := int(write.Fd())
	plan, err := privdrop.Spec{Argv: argv, Env: env, KeepPrivs: true, AllowRoot: true, Session: true, Files: []int{int(told.Fd()), out, out}}.Plan()
	if err != nil {
		write.Close()
		return "", err
	}
	text := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(io.LimitReader(read, 4<<10)) // an error is its end
		text <- string(all)
		io.Copy(io.Discard, read)
	}()
	failure, err := s.host.run(ctx, plan)
	write.Close()
	if err != nil {
		return "", err
	}
	select {
	case said = <-text:
	case <-time.After(lastWords):
		read.Close()
		said = <-text
	}
	if failure != "" {
		err = fmt.Errorf("%s: %s: %s", argv[0], failure, strings.TrimSpace(said))
	}
	return said, err
}
