package configs

import (
	"slices"
	"strings"
)

// vouches warns of a file that says of more than one worker that it is well.
func (t *trap) vouches() {
	for _, one := range []struct{ key, file string }{{"ready.file", t.process.Ready.File}, {"health.file", t.process.Health.File}} {
		ofLaunch := slices.ContainsFunc(append([]string{"XDG_RUNTIME_DIR"}, t.process.Scratch...), func(name string) bool {
			return strings.Contains(one.file, "{env."+name+"}")
		})
		switch {
		case one.file == "" || ofLaunch:
		case t.process.Count > 1 && !strings.Contains(one.file, "{slot"):
			t.warn(one.key, "all %d workers have the same file, and each vouches for the others; write {env.XDG_RUNTIME_DIR}/NAME, which each launch has for itself", t.process.Count)
		case !strings.Contains(one.file, "{generation") && t.app.StrategyOf(t.process) == StrategySurge:
			t.warn(one.key, "while workers are replaced the old one vouches for the new one; write {env.XDG_RUNTIME_DIR}/NAME, which each launch has for itself")
		}
	}
}
