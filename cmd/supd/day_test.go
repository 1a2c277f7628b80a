package main_test

import (
	"os"
	"testing"
)

// TestDay goes through the day of somebody who comes from supervisord, as a script does it
// in a Debian with systemd, nginx, redis, gunicorn and celery: testdata/day/day.sh.
func TestDay(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	c := &supdContainer{container: newContainer(t)}
	c.pack()
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		c.packApp(version, "/opt/whois", "testdata/day/whois/whois.py")
	}
	c.boot()
	script, err := os.ReadFile("testdata/day/day.sh")
	check(t, err)
	c.write("/root/day.sh", string(script))
	for _, part := range []string{"day", "night"} { // a reboot is between them
		out, err := c.run("sh", "/root/day.sh", part)
		t.Logf("%s:\n%s", part, out)
		if err != nil {
			t.Fatalf("%s: %v", part, err)
		}
		if part == "day" {
			c.reboot()
		}
	}
}
