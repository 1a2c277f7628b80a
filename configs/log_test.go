package configs

import (
	"fmt"
	"testing"
)

// Of a file to which two processes write there is one set of settings.
func TestSharedLogs(t *testing.T) {
	const one = "user = \"nobody\"\n[process.web]\ncommand = \"a\"\nlog = { file = \"/var/log/shared.log\", prefix = true }\n"
	for settings, want := range map[string]string{
		`{ file = "/var/log/shared.log", prefix = true }`:     "[]",
		`{ file = "/var/log/shared.log", prefix = "stream" }`: "[apps/b.toml:4: process.web.log: a/web writes to the same file, which is rotated and prefixed as it says there; say the same here, or name another file]",
		`{ file = "/var/log/shared.log" }`:                    "[apps/b.toml:4: process.web.log: a/web writes to the same file, which is rotated and prefixed as it says there; say the same here, or name another file]",
		`"/var/log/other.log"`:                                "[]",
	} {
		dir := lay(t, map[string]string{"supd.toml": "", "apps/a.toml": one, "apps/b.toml": "user = \"nobody\"\n[process.web]\ncommand = \"a\"\nlog = " + settings + "\n"})
		c, err := load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(c.Traps()); got != want {
			t.Errorf("%s: %s", settings, got)
		}
	}
}
