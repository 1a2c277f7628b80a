package launch

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"supd/supervisor/output"
)

// fields are what the journal is told of a worker with each line of its output: the
// SUPD_ variables of its environment that are not empty, and SUPD_PID.
func (w *Worker) fields() []output.Field {
	env := supdEnv(w.spec, "", "")
	var all []output.Field
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if strings.HasPrefix(name, "SUPD_") && env[name] != "" {
			all = append(all, output.Field{Name: name, Value: env[name]})
		}
	}
	return append(all, output.Field{Name: "SUPD_PID", Value: strconv.Itoa(w.Pid)})
}
