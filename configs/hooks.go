package configs

import "time"

// HookName says when a hook is run.
type HookName string

// The hooks.
const (
	HookPreStart  HookName = "pre_start"  // before each launch, which fails with it
	HookPostStart HookName = "post_start" // once the worker is ready
	HookPreStop   HookName = "pre_stop"   // before the first signal of a stop
	HookPostStop  HookName = "post_stop"  // once nothing of the worker is left
	HookOnFailure HookName = "on_failure" // after a failed start, a crash, or ill health
)

// Hooks are commands that are run beside a worker, as its user and with its environment.
// One that is nil is not.
type Hooks struct {
	PreStart, PostStart, PreStop, PostStop, OnFailure *Hook
}

// Hook is such a command.
type Hook struct {
	Command []string      // still with {variables}
	Timeout time.Duration // then it is killed, with all that it has started
}

// hookTimeout is that of a hook that says nothing else.
const hookTimeout = 30 * time.Second

// Of gives the hook of that name, or nil.
func (h *Hooks) Of(name HookName) *Hook {
	for _, k := range hooks {
		if k.name == name {
			return *k.at(h)
		}
	}
	return nil
}

var hooks = []struct {
	name HookName
	at   func(*Hooks) **Hook
}{
	{HookPreStart, func(h *Hooks) **Hook { return &h.PreStart }},
	{HookPostStart, func(h *Hooks) **Hook { return &h.PostStart }},
	{HookPreStop, func(h *Hooks) **Hook { return &h.PreStop }},
	{HookPostStop, func(h *Hooks) **Hook { return &h.PostStop }},
	{HookOnFailure, func(h *Hooks) **Hook { return &h.OnFailure }},
}

var hooksKeys = func() (keys []key[Hooks]) {
	for _, h := range hooks {
		keys = append(keys, field(string(h.name), h.at, readHook))
	}
	return keys
}()

var hookKeys = []key[Hook]{
	field("command", func(h *Hook) *[]string { return &h.Command }, command),
	field("timeout", func(h *Hook) *time.Duration { return &h.Timeout }, duration(positive)),
}

// readHook reads a table, or the command alone.
func readHook(in input) (*Hook, bool) {
	h := &Hook{Timeout: hookTimeout}
	if in.Kind != aTable {
		argv, ok := command(in)
		h.Command = argv
		return h, ok
	}
	readTable(in, hookKeys, h)
	if in.Table["command"] == nil {
		in.fail("has no command")
	}
	return h, len(h.Command) > 0
}

// checkHooks refuses those that are never run: a process that is ready when it has ended
// does not serve before.
func checkHooks(in input, p *Process) {
	if !p.Ready.Exit || in.open() {
		return
	}
	hooks := in.at("hooks")
	for _, name := range []HookName{HookPostStart, HookPreStop} {
		if hooks.Kind == aTable && hooks.statesHere(string(name)) {
			hooks.at(string(name)).fail("does nothing with ready = { exit = true }; remove it, or write pre_start or post_stop")
		}
	}
}

// programs are the commands of a process that are run as its user, by their keys.
func (p *Process) programs() []program {
	all := []program{{"command", p.Command}, {"ready.exec", p.Ready.Exec}, {"health.exec", p.Health.Exec}}
	for _, h := range hooks {
		if hook := *h.at(&p.Hooks); hook != nil {
			all = append(all, program{"hooks." + string(h.name), hook.Command})
		}
	}
	return all
}

// program is a command, and the key that it stands at.
type program struct {
	key  string
	argv []string
}
