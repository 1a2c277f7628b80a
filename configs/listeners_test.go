package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestListenersThatExcludeEachOther: both are named, at the second one, of one app, of
// two, and of supd itself.
func TestListenersThatExcludeEachOther(t *testing.T) {
	app := func(listen ...string) string {
		text := "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n"
		for i, l := range listen {
			text += "[socket." + string(rune('a'+i)) + "]\nlisten = \"" + l + "\"\n"
		}
		return text
	}
	tests := []struct {
		name       string
		daemon     string
		app, other string
		want       []string
	}{
		{"IPv6 and IPv4", "", app("tcp:[::]:81", "tcp:0.0.0.0:81"), "",
			[]string{"apps/app.toml:7: socket.b.listen: tcp:0.0.0.0:81 cannot be had together with tcp:[::]:81, the address of socket a of app app: [::] takes all addresses, those of IPv4 too; "}},
		{"all and one", "", app("tcp:127.0.0.1:81", "tcp:0.0.0.0:81"), "",
			[]string{"socket.b.listen: tcp:0.0.0.0:81 cannot be had together with tcp:127.0.0.1:81, the address of socket a of app app: 0.0.0.0 takes"}},
		{"three", "", app("tcp:127.0.0.1:81", "tcp:127.0.0.2:81", "tcp:*:81"), "", []string{"socket.c.listen: "}},
		{"by two names", "", app("udp:localhost:81", "udp:127.0.0.1:81"), "", []string{"socket.b.listen: udp:127.0.0.1:81 cannot be had together with udp:localhost:81, the address of socket a of app app: it is the same address"}},
		{"two apps", "", app("unix:/run/x.sock"), app("unix:/run/x.sock"), []string{"apps/other.toml:5: socket.a.listen: unix:/run/x.sock is already the address of socket a of app app; "}},
		{"the control socket", "control.socket = \"/run/x.sock\"\n", app("unix:/run/x.sock"), "", []string{"apps/app.toml:5: socket.a.listen: unix:/run/x.sock is already the address of control.socket; "}},
		{"metrics", "metrics.listen = \"127.0.0.1:81\"\n", app("tcp:*:81"), "", []string{"socket.a.listen: tcp:*:81 cannot be had together with tcp:127.0.0.1:81, the address of metrics.listen: [::]"}},
		{"no metrics", "metrics.listen = \"\"\n", app("tcp:127.0.0.1:9188"), "", nil},
		{"well", "", app("tcp:0.0.0.0:81", "tcp:[::1]:81", "udp:0.0.0.0:81", "tcp:127.0.0.1:0", "tcp:127.0.0.1:0"), "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"supd.toml": test.daemon, "apps/app.toml": test.app}
			if test.other != "" {
				files["apps/other.toml"] = test.other
			}
			_, err := load(lay(t, files))
			got := ""
			if err != nil {
				got = err.Error() + "\n"
			}
			checkWords(t, got, test.want)
		})
	}
}

// TestOnePathByTwoNames needs the file system.
func TestOnePathByTwoNames(t *testing.T) {
	dir := lay(t, map[string]string{
		"supd.toml": "control.socket = \"link/supd.sock\"\n",
		"apps/app.toml": "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n" +
			"[socket.a]\nlisten = \"unix:../real/a.sock\"\n[socket.b]\nlisten = \"unix:../link/a.sock\"\n[socket.c]\nlisten = \"unix:../real/supd.sock\"\n",
	})
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, e := range c.Verify() {
		got.WriteString(e.Error() + "\n")
	}
	checkWords(t, got.String(), []string{
		"apps/app.toml:7: socket.b.listen: unix:" + dir + "/link/a.sock and unix:" + dir + "/real/a.sock, the address of socket a of app app, are the same path",
		"apps/app.toml:9: socket.c.listen: ",
	})
}

// TestMetricsByDefault: nobody has asked for that address.
func TestMetricsByDefault(t *testing.T) {
	c, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nsockets = [\"a\"]\n[socket.a]\nlisten = \"tcp:0.0.0.0:9188\"\n")
	got := c.Traps()
	if len(got) != 1 || !strings.Contains(got[0].String(), "apps/app.toml:6: socket.a.listen: takes the address of supd's metrics, 127.0.0.1:9188") {
		t.Errorf("got %v", got)
	}
}
