package configs

import (
	"os"
	"strings"
	"testing"
)

// TestForeignPaths: each path that somebody else than root can lead elsewhere is named,
// by key.
func TestForeignPaths(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	dir := t.TempDir()
	for _, d := range []string{"/own/sub", "/root"} {
		if err := os.MkdirAll(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir+"/own", 54321, 54321); err != nil {
		t.Fatal(err)
	}
	app := func(at string) string {
		return strings.ReplaceAll(`user = "54321"
group = "54321"
[release]
path = "AT/venv"
[socket.web]
listen = "unix:AT/web.sock"
[process.web]
command = "AT/bin/web"
directory = "AT/work"
env_file = "AT/env"
venv = "AT/venv"
log = "AT/sub/web.log"
sockets = ["web"]
`, "AT", dir+at)
	}
	for at, want := range map[string]string{
		"/root": "",
		"/own":  "release.path socket.web.listen process.web.command process.web.directory process.web.env_file process.web.venv process.web.log",
		"/none": "",
	} {
		c, _ := loadApp(t, app(at))
		var got []string
		for _, w := range c.Traps() {
			if why := dir + "/own belongs to uid 54321, and not to root, so that others can put something else there"; strings.Contains(w.Msg, why) {
				got = append(got, w.Key)
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: %s; want %s", at, got, want)
		}
	}
	// The directory of the app itself may be its own: it is to write there.
	c, _ := loadApp(t, "user = \"54321\"\ngroup = \"54321\"\n[process.web]\ncommand = \"/bin/true\"\ndirectory = \""+dir+"/own\"\n")
	if got := c.Traps(); len(got) > 0 {
		t.Errorf("%v", got)
	}
}
