package control

import (
	"errors"
	"fmt"
	"io"

	"supd/configs"
	"supd/socket"
	"supd/supervisor"
	"supd/supervisor/api"
)

// Check writes what is wrong with a configuration on this machine to stderr, one
// error or warning a line, or to stdout that it is valid. It returns the exit code
// of `supd --check` and `supctl check`. It needs no daemon. The configuration is one
// that was loaded ForCheck. With self, this very process asks whether it could start.
func Check(c *configs.Config, self bool, stdout, stderr io.Writer) int {
	wrong, warnings := findings(c, self)
	for _, w := range warnings {
		fmt.Fprintf(stderr, "warning: %s\n", w)
	}
	said := map[string]bool{} // some things are asked for twice
	for _, err := range wrong {
		if text := err.Error(); !said[text] {
			said[text] = true
			fmt.Fprintln(stderr, text)
		}
	}
	if len(wrong) > 0 {
		return api.CodeInvalid
	}
	processes, workers := 0, 0
	for _, a := range c.Apps {
		processes += len(a.Processes)
		for _, p := range a.Processes {
			workers += p.Count
		}
	}
	if _, err := fmt.Fprintf(stdout, "ok: %s, %s, %s\n", count(len(c.Apps), "app"), count(processes, "process"), count(workers, "worker")); err != nil {
		fmt.Fprintln(stderr, "the output is lost:", err)
		return api.CodeFailed
	}
	return api.CodeDone
}

// findings are what keeps a supd from starting as the files say, in their order, and
// what is not advisable. What another process has may be free by the time of the start.
func findings(c *configs.Config, self bool) (wrong []error, warnings []string) {
	wrong, traps := api.CheckReleases(c)
	for _, w := range append(c.Traps(), traps...) {
		warnings = append(warnings, w.String())
	}
	for _, one := range c.Invalid {
		wrong = append(wrong, one.Errors.Unwrap()...)
	}
	for _, err := range c.Verify() {
		wrong = append(wrong, err)
	}
	for _, err := range supervisor.CheckStart(c, self) {
		if errors.Is(err, socket.ErrTaken) {
			warnings = append(warnings, err.Error())
			continue
		}
		wrong = append(wrong, err)
	}
	configs.Sort(wrong)
	return wrong, warnings
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
