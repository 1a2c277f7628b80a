package configs

import (
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
)

// TestSyslogInTheJournal: where /dev/log is the journal's, its own form is better.
func TestSyslogInTheJournal(t *testing.T) {
	for address, warned := range map[string]bool{"unix:/dev/log": journal.Enabled(), "unix:/dev/./log": journal.Enabled(), "unix:/srv/log": false, "udp:127.0.0.1:514": false} {
		dir := lay(t, map[string]string{
			"supd.toml":     "",
			"apps/app.toml": "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nlog = { to = \"syslog\", address = \"" + address + "\" }\n",
		})
		c, err := load(dir)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range c.Traps() {
			got += w.String() + "\n"
		}
		if strings.Contains(got, "does not read RFC 5424") != warned {
			t.Errorf("%s: warnings %q", address, got)
		}
	}
}

// TestFacilities: the numbers are those that the C library has.
func TestFacilities(t *testing.T) {
	for name, want := range map[Facility]int{"user": 8 >> 3, "daemon": 24 >> 3, "authpriv": 80 >> 3, "local0": 128 >> 3, "local7": 184 >> 3} {
		if got := name.Number(); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
