package supervisor

import (
	"path/filepath"
	"strings"

	"supd/configs"
	"supd/supervisor/launch"
	"supd/supervisor/output"
)

// logPath is where the output goes that is held under a name and of a launch that no
// process of the configuration has: to the path that an earlier supd has written down, if
// that is no file, the configuration names it too or it lies beneath the directory of logs.
// Else it goes where it would by default: a path that only a record knows must not lead
// root anywhere.
func logPath(c *configs.Config, held, recorded string) string {
	if isElsewhere(recorded) || isLog(c, recorded) {
		return recorded
	}
	app, process, _, _, ok := configs.ParseLaunchName(launch.OfOutput(held))
	if !ok {
		return ""
	}
	return filepath.Join(c.Daemon.Logs, app, process+".log")
}

// isElsewhere reports whether output goes to no file but to a place that is known by the
// path alone: no record says where a syslog server is.
func isElsewhere(path string) bool {
	return output.FateOf(path) != "" && !strings.HasPrefix(path, output.Syslog)
}

func isLog(c *configs.Config, path string) bool {
	if path == "" || filepath.Clean(path) != path {
		return false
	}
	if beneath, err := filepath.Rel(c.Daemon.Logs, path); err == nil && filepath.IsLocal(beneath) && beneath != "." {
		return true
	}
	for i := range c.Apps {
		for k := range c.Apps[i].Processes {
			if c.Apps[i].Processes[k].Log.File == path {
				return true
			}
		}
	}
	return false
}
