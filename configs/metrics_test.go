package configs

import (
	"strings"
	"testing"

	"supd/socket"
)

func TestMetricsListen(t *testing.T) {
	const wrong = `: want an address and a port such as "127.0.0.1:9188", "unix:/path", or "" for none`
	for _, test := range []struct {
		file, env string // "-" is nothing
		want      string // of the socket; "" is off
		err       string
	}{
		{"-", "-", "tcp:127.0.0.1:9188", ""},
		{`"[::1]:9000"`, "-", "tcp:[::1]:9000", ""},
		{`":9188"`, "-", "", `supd.toml:2: metrics.listen: ":9188"` + wrong},
		{`"udp:127.0.0.1:1"`, "-", "", `supd.toml:2: metrics.listen: "udp:127.0.0.1:1"` + wrong},
		{`"localhost"`, "-", "", `supd.toml:2: metrics.listen: "localhost"` + wrong},
		{`9188`, "-", "", `supd.toml:2: metrics.listen: want a string, got an integer`},
		{`"unix:/run/m.sock"`, "-", "unix:/run/m.sock", ""},
		{`"unix:m.sock"`, "-", "unix:DIR/m.sock", ""},
		{`"unix:"`, "-", "", `supd.toml:2: metrics.listen: is empty; remove it, or say what`},
		{`""`, "-", "", ""},
		{`"127.0.0.1:1"`, "", "", ""},
		{`""`, "127.0.0.1:2", "tcp:127.0.0.1:2", ""},
		{"-", "unix:/x.sock", "unix:/x.sock", ""},
		{"-", "unix:x.sock", "", `environment: SUPD_METRICS_LISTEN: "x.sock": want an absolute path; it is in no file that it could be relative to`},
	} {
		text, env := "", []string{}
		if test.file != "-" {
			text = "[metrics]\nlisten = " + test.file + "\n"
		}
		if test.env != "-" {
			env = append(env, "SUPD_METRICS_LISTEN="+test.env)
		}
		dir := lay(t, map[string]string{"supd.toml": text})
		c, err := load(dir, Environ(env))
		if told(err) != test.err {
			t.Errorf("%+v: %s", test, told(err))
		}
		if err != nil {
			continue
		}
		spec, on := c.Metrics.Spec()
		want := strings.Replace(test.want, "DIR", dir, 1)
		if on != (want != "") || spec.Listen != want {
			t.Errorf("%+v: %+v, %t", test, spec, on)
		}
		if stated := test.file != "-" || test.env != "-"; c.Metrics.Stated != stated {
			t.Errorf("%+v: stated %t", test, c.Metrics.Stated)
		}
		if wantMode := strings.HasPrefix(want, "unix:"); wantMode != (spec.Mode == 0o666) || spec.Owner != (socket.Owner{}) {
			t.Errorf("%+v: %+v", test, spec)
		}
	}
}

func TestProportionalMemory(t *testing.T) {
	for _, test := range []struct {
		file string
		env  []string
		want bool
		err  string
	}{
		{"", nil, true, ""},
		{"proportional_memory = false", nil, false, ""},
		{"proportional_memory = false", []string{"SUPD_METRICS_PROPORTIONAL_MEMORY=true"}, true, ""},
		{"", []string{"SUPD_METRICS_PROPORTIONAL_MEMORY=false"}, false, ""},
		{"proportional_memory = 1", nil, false, "supd.toml:2: metrics.proportional_memory: want true or false, got an integer"},
	} {
		c, err := load(lay(t, map[string]string{"supd.toml": "[metrics]\n" + test.file + "\n"}), Environ(test.env))
		if told(err) != test.err {
			t.Errorf("%+v: %s", test, told(err))
		}
		if err == nil && c.Metrics.ProportionalMemory != test.want {
			t.Errorf("%+v: %t", test, c.Metrics.ProportionalMemory)
		}
	}
}
