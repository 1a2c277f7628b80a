package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verified gives what Verify says, with dir as DIR.
func verified(t *testing.T, dir string) string {
	t.Helper()
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, e := range c.Verify() {
		got.WriteString(strings.ReplaceAll(e.Error(), dir, "DIR") + "\n")
	}
	return got.String()
}

func TestVerifyScripts(t *testing.T) {
	dir := lay(t, map[string]string{
		"windows": "#!/bin/sh\r\n", "by-env": "#!/usr/bin/env sh\r\n", "missing": "#!/usr/bin/env no-such-python\n",
		"option": "#!/usr/bin/env -S no-such-python -E\n", "well": "#!/usr/bin/env sh\n", "perl": "#!/usr/bin/env -S sh -e\r\n",
		"apps/app.toml": `user = "nobody"
[process.a]
command = "../windows"
directory = "."
[process.b]
command = "../by-env"
directory = "."
[process.c]
command = "../missing"
directory = "."
[process.d]
command = "../option"
directory = "."
[process.e]
command = "../well"
directory = "."
health = { exec = "../windows" }
[process.f]
command = "../perl"
directory = "."
[process.g]
command = "KEY=hunter2 ../well"
`,
	})
	for _, name := range []string{"windows", "by-env", "missing", "option", "well", "perl"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	checkWords(t, verified(t, dir), []string{
		`apps/app.toml:3: process.a.command: DIR/windows: its line #!/bin/sh ends in a carriage return`,
		`apps/app.toml:6: process.b.command: DIR/by-env: its line #!/usr/bin/env sh ends in a carriage return`,
		`apps/app.toml:9: process.c.command: DIR/missing: its interpreter, by /usr/bin/env: no-such-python: no such program in PATH`,
		`apps/app.toml:17: process.e.health.exec: DIR/windows: its line`,
		`apps/app.toml:22: process.g.command: KEY=… is no program, and no shell runs; write it in env`,
	})
}

// TestVerifyReach: what stands in the way of the app's user is named.
func TestVerifyReach(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal("needs root, and SUPD_TEST_REQUIRE is set")
		}
		t.Skip("only root can ask for another user")
	}
	dir := lay(t, map[string]string{
		"closed/run": "#!/bin/sh\n", "by": "#!DIR/closed/run\n",
		"closed/venv/bin/python3": "",
		"apps/app.toml": `user = "nobody"
[process.command]
command = "../closed/run"
directory = "."
[process.interpreter]
command = "../by"
directory = "."
[process.directory]
command = "/bin/true"
directory = "../closed"
[process.venv]
command = "/bin/true"
venv = "closed/venv"
directory = ".."
[process.well]
command = "/bin/true"
directory = ".."
`,
	})
	put(t, dir, "by", "#!"+dir+"/closed/run\n")
	for name, mode := range map[string]os.FileMode{"closed": 0o700, "closed/run": 0o755, "by": 0o755} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	const kept = "user nobody may not enter the directory DIR/closed; let it in"
	checkWords(t, verified(t, dir), []string{
		"apps/app.toml:3: process.command.command: DIR/closed/run: " + kept,
		"apps/app.toml:6: process.interpreter.command: DIR/closed/run: " + kept,
		"apps/app.toml:10: process.directory.directory: DIR/closed: " + kept,
		"apps/app.toml:13: process.venv.venv: DIR/closed/venv: " + kept,
	})
}

// TestVerifySizes names what is too long, and shows none of it.
func TestVerifySizes(t *testing.T) {
	most := 32 * os.Getpagesize()
	long := "hunter2" + strings.Repeat("x", most)
	half := "hunter2" + strings.Repeat("x", most/2)
	dir := lay(t, map[string]string{
		"apps/app.env":  "SHORT=1\nLONG=" + long + "\n",
		"apps/most.env": "A=" + half + "\nB=" + half + "\nC=" + half + "\n",
		"apps/app.toml": `user = "nobody"
[process.arg]
command = ["/bin/true", "short", "` + long + `"]
[process.env]
command = "/bin/true"
env = { KEY = "` + long + `" }
[process.file]
command = "/bin/true"
env_file = "app.env"
[process.sum]
command = ["/bin/true", "` + half + `"]
env_file = "most.env"
limits = { stack = "1MiB" }
[process.well]
command = ["/bin/true", "` + half + `"]
env_file = "most.env"
limits = { stack = "2MiB" }
`,
	})
	if err := os.Chmod(filepath.Join(dir, "apps/app.env"), 0o600); err != nil {
		t.Fatal(err)
	}
	checkWords(t, verified(t, dir), []string{
		fmt.Sprintf("apps/app.toml:3: process.arg.command: argument 2 has %d bytes, and execve(2) takes less than %d in one argument or variable", len(long), most),
		fmt.Sprintf("apps/app.toml:6: process.env.env.KEY: has %d bytes", len(long)+4),
		fmt.Sprintf("apps/app.toml:9: process.file.env_file: DIR/apps/app.env: LONG has %d bytes", len(long)+5),
		"apps/app.toml:12: process.sum.env_file: arguments and environment have ",
	})
}
