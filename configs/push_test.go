package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPush(t *testing.T) {
	const (
		wrongHost   = `: want a host and a port such as "graphite.example.org:2003", or "" for none`
		wrongPrefix = `: want letters, digits, "_", "-" and {host}, with dots between them, such as "supd.{host}", or "" for none`
		wrongURL    = `want a URL such as "https://HOST/api/v1/write", or "" for none`
		user        = `want a URL without user and password; write them as USER:PASSWORD into a file that only root can read, and its path into remote_write_credentials (an "@" of the path is "%40")`
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
		{"remote_write", `"http://h:9090/api/v1/write?a=b"`, ""},
		{"remote_write", `"https://[::1]/"`, ""},
		{"remote_write", `""`, ""},
		{"remote_write", `"ftp://h/"`, wrongURL},
		{"remote_write", `"h:9090"`, wrongURL},
		{"remote_write", `"http:///x"`, wrongURL},
		{"remote_write", `"http://h:0/x"`, wrongURL},
		{"remote_write", `"http://h/x#y"`, wrongURL},
		{"remote_write", `"http://h/a b"`, wrongURL},
		{"remote_write", `"https://user:hunter2@h/"`, user},
		{"remote_write", `"https://user:hunter2#@h/"`, user},
		{"remote_write", `"https://user:hunter2"`, wrongURL},
		{"remote_write_credentials", `"x"`, ""},
		{"remote_write_credentials", `""`, ""},
		{"remote_write_credentials", `1`, "want a string, got an integer"},
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
	c, err := load(dir, Environ([]string{"SUPD_METRICS_GRAPHITE=", "SUPD_METRICS_GRAPHITE_PREFIX=x", "SUPD_METRICS_REMOTE_WRITE=http://h/",
		"SUPD_METRICS_REMOTE_WRITE_CREDENTIALS=/x", "SUPD_METRICS_INTERVAL=5s"}))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Push{Prefix: "x", RemoteWrite: "http://h/", Credentials: "/x", Interval: 5 * time.Second}); c.Metrics.Push != want {
		t.Errorf("got %+v, want %+v", c.Metrics.Push, want)
	}
	if _, err := load(dir, Environ([]string{"SUPD_METRICS_REMOTE_WRITE=http://u:hunter2@h"})); !strings.HasPrefix(told(err), "environment: SUPD_METRICS_REMOTE_WRITE: want a URL without") || strings.Contains(told(err), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestReadCredentials(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	const wrong = `: want one line, USER:PASSWORD or "Bearer TOKEN"`
	for _, test := range []struct{ text, want, err string }{
		{"Aladdin:open sesame\n", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ""}, // RFC 7617, 2
		{"u:a:b", "Basic dTphOmI=", ""},
		{"u:\r\n", "Basic dTo=", ""},
		{"Bearer abc.def\n", "Bearer abc.def", ""},
		{"", "", wrong},
		{"hunter2\n", "", wrong},
		{":hunter2\n", "", wrong},
		{"u:hunter2\nv:hunter2\n", "", wrong},
		{"Bearer \n", "", wrong},
		{"Bearer hunter2 x\n", "", wrong},
		{"u:hunter2\tx", "", wrong},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadCredentials(path)
		want := test.err
		if want != "" {
			want = path + want
		}
		if got != test.want || told(err) != want {
			t.Errorf("%q: %q, %v", test.text, got, err)
		}
	}
}

// What others can read is refused, by `check` too, and not before it is used.
func TestCredentialsArePrivate(t *testing.T) {
	dir := lay(t, map[string]string{"supd.toml": "[metrics]\nremote_write = \"http://h\"\nremote_write_credentials = \"secret\"\n", "secret": "u:hunter2\n"})
	path := filepath.Join(dir, "secret")
	chmod := func(mode os.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{
		0o400: "", 0o600: "",
		0o644: "others than its owner may use it (mode 0644); chmod 0600 it",
		0o640: "others than its owner may use it (mode 0640); chmod 0600 it",
		0o602: "others than its owner may use it (mode 0602); chmod 0600 it",
	} {
		chmod(mode)
		var wrong []string
		for _, e := range c.Verify() {
			wrong = append(wrong, e.Error())
		}
		if want != "" {
			want = "supd.toml:3: metrics.remote_write_credentials: " + path + ": " + want
		}
		if got := strings.Join(wrong, "\n"); got != want {
			t.Errorf("%04o: got %s, want %s", mode, got, want)
		}
	}
	chmod(0o600)
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCredentials(path); told(err) != path+": belongs to the user with number 65534; chown root it" {
			t.Errorf("got %v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := c.Verify(); len(got) != 1 || !strings.HasSuffix(got[0].Error(), "/secret: no such file or directory") {
		t.Errorf("got %v", got)
	}
	c.Metrics.Push.RemoteWrite = ""
	if got := c.Verify(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
