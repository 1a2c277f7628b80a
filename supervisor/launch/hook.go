package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/output"
	"supd/supervisor/tree"
)

// HookSite is what a hook is told of its worker.
type HookSite struct {
	Name   configs.HookName
	Pid    int       // of its main process; 0: there was none
	Exit   *api.Exit // of a worker that has ended
	statsd netip.AddrPort

	directory string // of a worker that lives
}

// HookSite is that of a hook of the worker while it lives. It is called by whoever owns
// the worker.
func (w *Worker) HookSite() HookSite {
	return HookSite{Pid: w.Pid, statsd: w.statsdAddr(), directory: w.Belongings.Directory}
}

// Hook runs a hook as the worker runs, without its sockets. Its output goes into the log
// of the worker. An end that is not good, or does not come in time, is an error.
func (l *Launcher) Hook(ctx context.Context, s Spec, at HookSite) error {
	h := s.Process.Hooks.Of(at.Name)
	ctx, cancel := context.WithTimeoutCause(ctx, h.Timeout, fmt.Errorf("has not ended within %s, and was killed", h.Timeout))
	defer cancel()
	failure, err := l.runHook(ctx, s, h, at)
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil && failure != "":
		err = errors.New(failure)
	}
	if err != nil {
		return fmt.Errorf("hook %s: %w", at.Name, err)
	}
	return nil
}

func (l *Launcher) runHook(ctx context.Context, s Spec, h *configs.Hook, at HookSite) (failure string, err error) {
	if s.Process.Statsd && !at.statsd.IsValid() {
		at.statsd = discard
	}
	_, env, err := environment(s, cmp.Or(at.directory, l.Runtime.Worker(s.App, s.File())), "", at.statsd)
	if err != nil {
		return "", err
	}
	spec := s.workerSpec(nil, append(env, at.environment()...))
	if spec.Argv, err = expandAll(h.Command, spec, s); err != nil {
		return "", err
	}
	null := int(l.Null.Fd())
	spec.Files, spec.Watchdog = []int{null, null, null}, 0
	if s.Log != nil {
		out, err := newPipe(s.Account)
		if err != nil {
			return "", err
		}
		defer out.close()
		w := Worker{spec: s}
		w.Pid = at.Pid
		capture := s.Log.CaptureAs("", out.take(), nil, w.fields()...)
		defer finish(capture)
		spec.Files = []int{null, out.worker(), out.worker()}
	}
	plan, err := spec.Plan()
	if err != nil {
		return "", err
	}
	return l.RunAlone(ctx, plan, tree.Worker{Name: s.Name(), Generation: s.Generation, UID: s.user(), Hook: string(at.Name)})
}

// hookOutput is how long the end of a hook waits for its output to be written.
const hookOutput = 2 * time.Second

func finish(c *output.Capture) {
	c.Finish()
	late := time.NewTimer(hookOutput)
	defer late.Stop()
	select {
	case <-c.Done():
	case <-late.C:
	}
}

// environment is what is set for a hook alone.
func (at HookSite) environment() []string {
	env := []string{"SUPD_HOOK=" + string(at.Name)}
	if at.Pid > 0 && at.Exit == nil {
		env = append(env, "SUPD_PID="+strconv.Itoa(at.Pid))
	}
	if e := at.Exit; e != nil {
		env = append(env, "SUPD_EXIT_CODE="+strconv.Itoa(e.Code), "SUPD_EXIT_SIGNAL="+e.Signal, "SUPD_EXIT_REASON="+e.Reason)
	}
	return env
}

// preStart runs the hook before the worker, if there is one.
func (w *Worker) preStart() error {
	if w.spec.Process.Hooks.PreStart == nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(w.life)
	defer cancel(nil)
	if a := w.spec.Attempt; a != nil {
		defer context.AfterFunc(a.wanted, func() { cancel(errCancelled) })()
	}
	at := w.HookSite()
	at.Name = configs.HookPreStart
	return w.launcher.Hook(ctx, w.spec, at)
}
