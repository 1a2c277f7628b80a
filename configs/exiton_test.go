package configs

import (
	"fmt"
	"strings"
	"testing"
)

// TestEndless: a process that would keep exit_on from ever happening is warned of.
func TestEndless(t *testing.T) {
	for _, test := range []struct {
		on      ExitOn
		process string
		want    bool
	}{
		{ExitNever, "", false},
		{ExitAnyFailed, "", false},
		{ExitAllFailed, "", true},
		{ExitAllFailed, "restart = \"on-failure\"", true},
		{ExitAllFailed, "restart = \"never\"", false},
		{ExitAllFailed, "give_up_after = 3", false},
		{ExitAllFailed, "autostart = false", false},
		{ExitAllExited, "", true},
		{ExitAllExited, "restart = \"on-failure\"", false},
		{ExitAllExited, "restart = \"never\"", false},
	} {
		dir := lay(t, map[string]string{
			"supd.toml":     fmt.Sprintf("[daemon]\nexit_on = %q\n", test.on),
			"apps/app.toml": "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n" + test.process + "\n",
		})
		c, err := load(dir)
		if err != nil {
			t.Fatal(err)
		}
		warnings := c.Traps()
		if got := len(warnings) == 1 && strings.Contains(warnings[0].String(), "started again for ever"); got != test.want || len(warnings) > 1 {
			t.Errorf("exit_on = %q, %q: got %v, want a warning: %v", test.on, test.process, warnings, test.want)
		}
	}
}
