package supervisor

import (
	"testing"

	"supd/configs"
)

func TestLogPath(t *testing.T) {
	c := &configs.Config{Daemon: configs.Daemon{Logs: "/var/log/supd"},
		Apps: []configs.App{{Name: "a", Processes: []configs.Process{{Name: "web", Log: configs.Log{File: "/srv/a/web.log"}}}}}}
	for recorded, want := range map[string]string{
		"/var/log/supd/b/web.log": "/var/log/supd/b/web.log",
		"/srv/a/web.log":          "/srv/a/web.log",
		"journal:b/web":           "journal:b/web",
		"none:b/web":              "none:b/web",
		"stdout:b/web":            "stdout:b/web",
		"syslog:b/web":            "/var/log/supd/b/job.log",

		"/etc/cron.d/pwn":                    "/var/log/supd/b/job.log",
		"/var/log/supd/../../../etc/cron.d":  "/var/log/supd/b/job.log",
		"/var/log/supd-b/web.log":            "/var/log/supd/b/job.log",
		"/var/log/supd":                      "/var/log/supd/b/job.log",
		"/var/log/supd/../supd/../../cron.d": "/var/log/supd/b/job.log",
		"web.log":                            "/var/log/supd/b/job.log",
		"":                                   "/var/log/supd/b/job.log",
	} {
		if got := logPath(c, "b.job.1.7", recorded); got != want {
			t.Errorf("%q: %q, want %q", recorded, got, want)
		}
	}
	if got := logPath(c, "..", "/etc/cron.d/pwn"); got != "" {
		t.Errorf("of no launch: %q", got)
	}
}
