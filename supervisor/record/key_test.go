package record

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
)

func TestSameLaunch(t *testing.T) {
	base := configs.Process{Name: "web", Count: 1, Command: []string{"web"}, Autostart: true, Restart: configs.RestartAlways,
		Ready: configs.Ready{HTTP: "/", Timeout: 30 * time.Second}, Stop: []configs.StopStep{{Signal: unix.SIGTERM, Wait: 30 * time.Second}}}
	for name, c := range map[string]struct {
		change func(*configs.Process)
		same   bool
	}{
		"nothing":           {func(*configs.Process) {}, true},
		"count":             {func(p *configs.Process) { p.Count = 7 }, true},
		"stop":              {func(p *configs.Process) { p.Stop = nil }, true},
		"reload_signal":     {func(p *configs.Process) { p.ReloadSignal = unix.SIGHUP }, true},
		"hooks":             {func(p *configs.Process) { p.Hooks.PreStop = &configs.Hook{Command: []string{"x"}} }, true},
		"strategy":          {func(p *configs.Process) { p.Strategy = configs.StrategyReplace }, true},
		"restart":           {func(p *configs.Process) { p.Restart = configs.RestartNever }, true},
		"ready path":        {func(p *configs.Process) { p.Ready.HTTP = "/healthz" }, true},
		"ready timeout":     {func(p *configs.Process) { p.Ready.Timeout++ }, true},
		"line":              {func(p *configs.Process) { p.Line = 99 }, true},
		"command":           {func(p *configs.Process) { p.Command = []string{"x"} }, false},
		"env":               {func(p *configs.Process) { p.Env = map[string]string{"A": "1"} }, false},
		"no probe any more": {func(p *configs.Process) { p.Ready = configs.Ready{Uptime: 1} }, false},
		"notify":            {func(p *configs.Process) { p.Ready = configs.Ready{Notify: true} }, false},
		"umask":             {func(p *configs.Process) { p.Umask = new(privdrop.Umask(0o77)) }, false},
		"log":               {func(p *configs.Process) { p.Log = configs.Log{File: "/l", Prefix: configs.PrefixJSON} }, true},
		"log with streams":  {func(p *configs.Process) { p.Log.Prefix = configs.PrefixStream }, false},
		"sockets":           {func(p *configs.Process) { p.Sockets = []string{"http"} }, false},
	} {
		p := base
		p.Stop = slices.Clone(base.Stop)
		c.change(&p)
		if got := SameLaunch(&base, &p); got != c.same {
			t.Errorf("%s: same launch %v, want %v", name, got, c.same)
		}
	}
}

// Two prefixes take the same pipes.
func TestSameStreams(t *testing.T) {
	a, b := configs.Process{Log: configs.Log{Prefix: configs.PrefixStream}}, configs.Process{Log: configs.Log{Prefix: configs.PrefixJSONStream}}
	if !SameLaunch(&a, &b) {
		t.Error("another launch")
	}
}

// TestKeyIgnoresWhatIsNotSet: a later version of supd has more settings, and takes
// the workers of this one for its own.
func TestKeyIgnoresWhatIsNotSet(t *testing.T) {
	type before struct {
		Command []string
		Umask   int
		Nested  struct{ A string }
	}
	type after struct {
		Command []string
		Umask   int
		Nested  struct {
			A string
			B *int
		}
		New  bool
		More map[string]string
	}
	old := before{Command: []string{"x", ""}, Umask: 7}
	if hashOf(old) != hashOf(after{Command: []string{"x", ""}, Umask: 7}) {
		t.Error("settings that are not set make another worker")
	}
	if hashOf(old) == hashOf(after{Command: []string{"x", ""}, Umask: 7, New: true}) {
		t.Error("a setting makes no other worker")
	}
	if hashOf(old) == hashOf(before{Command: []string{"x"}, Umask: 7}) {
		t.Error("an empty argument is one too")
	}
}
