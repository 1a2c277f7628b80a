package configs

import (
	"testing"
	"time"
)

func TestPush(t *testing.T) {
	const (
		wrongHost   = `: want a host and a port such as "graphite.example.org:2003", or "" for none`
		wrongPrefix = `: want letters, digits, "_", "-" and {host}, with dots between them, such as "supd.{host}", or "" for none`
	)
	for _, test := range []struct{ key, value, err string }{
		{"graphite", `"h:2003"`, ""},
		{"graphite", `"[::1]:2003"`, ""},
		{"graphite", `""`, ""},
		{"graphite", `"h"`, `"h"` + wrongHost},
		{"graphite", `":2003"`, `":2003"` + wrongHost},
		{"graphite", `"h:0"`, `"h:0"` + wrongHost},
		{"graphite", `"h:carbon"`, `"h:carbon"` + wrongHost},
		{"graphite", `"h h:1"`, `"h h:1"` + wrongHost},
		{"graphite", `"tcp:h:2003"`, `"tcp:h:2003"` + wrongHost},
		{"graphite_prefix", `""`, ""},
		{"graphite_prefix", `"a-1.{host}_x.B"`, ""},
		{"graphite_prefix", `"a."`, `"a."` + wrongPrefix},
		{"graphite_prefix", `"a b"`, `"a b"` + wrongPrefix},
		{"graphite_prefix", `"{app}"`, `"{app}"` + wrongPrefix},
		{"interval", `"1s"`, ""},
		{"interval", `"999ms"`, `"999ms": want 1s or more`},
		{"interval", `"0s"`, `"0s": want more than 0`},
		{"interval", `10`, `want a duration such as "30s", got an integer`},
	} {
		_, err := load(lay(t, map[string]string{"supd.toml": "[metrics]\n" + test.key + " = " + test.value + "\n"}))
		want := test.err
		if want != "" {
			want = "supd.toml:2: metrics." + test.key + ": " + want
		}
		if told(err) != want {
			t.Errorf("%s = %s: got %s, want %s", test.key, test.value, told(err), want)
		}
	}
}

func TestPushFromEnvironment(t *testing.T) {
	dir := lay(t, map[string]string{"supd.toml": "[metrics]\ngraphite = \"h:1\"\nlisten = \"\"\n"})
	c, err := load(dir, Environ([]string{"SUPD_METRICS_GRAPHITE=", "SUPD_METRICS_GRAPHITE_PREFIX=x", "SUPD_METRICS_INTERVAL=5s"}))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Push{Prefix: "x", Interval: 5 * time.Second}); c.Metrics.Push != want {
		t.Errorf("got %+v, want %+v", c.Metrics.Push, want)
	}
}
