package control

import (
	"fmt"
	"io"

	"supd/configs"
	"supd/supervisor/api"
)

// Check writes what is wrong with a configuration on this machine to stderr, one
// error or warning a line, or to stdout that it is valid. It returns the exit code
// of `supd --check` and `supctl check`. It needs no daemon.
func Check(c *configs.Config, stdout, stderr io.Writer) int {
	wrong, traps := api.CheckReleases(c)
	for _, w := range append(c.Traps(), traps...) {
		fmt.Fprintf(stderr, "warning: %s\n", w)
	}
	for _, err := range c.Verify() {
		wrong = append(wrong, err)
	}
	if len(wrong) > 0 {
		for _, err := range wrong {
			fmt.Fprintln(stderr, err)
		}
		return api.CodeInvalid
	}
	processes, workers := 0, 0
	for _, a := range c.Apps {
		processes += len(a.Processes)
		for _, p := range a.Processes {
			workers += p.Count
		}
	}
	fmt.Fprintf(stdout, "ok: %s, %s, %s\n", count(len(c.Apps), "app"), count(processes, "process"), count(workers, "worker"))
	return api.CodeDone
}

// count gives "1 app", "2 processes".
func count(n int, noun string) string {
	switch {
	case n == 1:
	case noun == "process":
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
