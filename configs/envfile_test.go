package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/privdrop"
)

func TestReadEnvFile(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "env", strings.Join([]string{
		"# a comment", "", "A=1", "  B = two words ", "export C=3", "D=", "E='$x \"#\" \\n' # comment", `F="a\n\t\"\\\$x#"`,
		"G=a#b", "H=http://u:p@h/?x=1&y=2", "\tI='' ", "J=\r", "K==", "_l9=é",
	}, "\n"))
	got, err := ReadEnvFile(filepath.Join(dir, "env"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"A": "1", "B": "two words", "C": "3", "D": "", "E": `$x "#" \n`, "F": "a\n\t\"\\$x#", "G": "a#b",
		"H": "http://u:p@h/?x=1&y=2", "I": "", "J": "", "K": "=", "_l9": "é",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReadEnvFileErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "env")
	put(t, dir, "env", strings.Join([]string{
		"hunter2", "=hunter2", "A B=hunter2", "9=hunter2", "A='hunter2", `B="hunter2`, `C="hunter2" hunter2`, "D=hunter2'", `E="\hunter2"`,
		"F=hunter2 # why", "G=1", "G=hunter2", "LISTEN_FDS=3", "H=hunter2\x00", `I=hunter2\n`,
	}, "\n"))
	_, err := ReadEnvFile(file, nil)
	want := `:1: want NAME=value
:2: want NAME=value, with a name of letters, digits and _
:3: want NAME=value, with a name of letters, digits and _
:4: want NAME=value, with a name of letters, digits and _
:5: A: the ' is not closed on this line
:6: B: the " is not closed on this line
:7: C: has something behind the closing quote
:8: D: has a quote or backslash in it: put all of the value in quotes
:9: E: has a \ before something else than n, t, ", \ or $; write \\ for a backslash
:10: F: has " #" in it: put the value in quotes, or the comment on a line of its own
:12: G: defined twice
:13: LISTEN_FDS: is set by supd for each worker; remove it
:14: H: holds a zero byte
:15: I: has a quote or backslash in it: put all of the value in quotes`
	if diff := cmp.Diff(want, strings.ReplaceAll(told(err), file, "")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReadEnvFileOfWindows(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "env", "\ufeffA=1\r\nB = \r\nC\r\n")
	file := filepath.Join(dir, "env")
	_, err := ReadEnvFile(file, nil)
	if want := file + ":1: begins with a byte order mark, as in Windows; take it off with sed -i '1s/^\\xEF\\xBB\\xBF//'\n" + file + ":3: want NAME=value"; told(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestReadEnvFileMissing(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "none"): dir + "/none: no such file or directory",
		dir:                        dir + ": is not a regular file",
	} {
		if _, err := ReadEnvFile(file, nil); told(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadEnvFile(big, nil); !strings.Contains(told(err), "is longer than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestReadEnvFileOf: what root reads is root's or the app's own, and nothing that the
// app could have led it to.
func TestReadEnvFileOf(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root reads for another user")
	}
	app := &privdrop.Account{UID: 54321, GID: 54321}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own := func(path string, uid int, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.Lchown(filepath.Join(dir, path), uid, uid), os.Chmod(filepath.Join(dir, path), mode)); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"etc", "srv"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"etc/root", "etc/app", "etc/other", "etc/open", "srv/app"} {
		put(t, dir, file, "A=hunter2\n")
	}
	own("etc/root", 0, 0o600)
	own("etc/app", app.UID, 0o600)
	own("etc/other", 4711, 0o644)
	own("etc/open", 0, 0o666)
	own("srv/app", app.UID, 0o600)
	own("srv", app.UID, 0o755)
	for link, target := range map[string]string{"etc/link": "root", "etc/away": "../srv/app", "srv/link": "../etc/root", "srv/link2": "../etc/app"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		"etc/root":  "",
		"etc/app":   "",
		"etc/link":  "",
		"etc/away":  "",
		"srv/app":   "",
		"srv/link2": "",
		"etc/other": "belongs to uid 4711, neither to root nor to uid 54321; chown it",
		"etc/open":  "has mode 0666: everybody may write to it; chmod o-w",
		"srv/link":  "permission denied (with the rights of uid 54321",
	} {
		env, err := ReadEnvFile(filepath.Join(dir, file), app)
		switch {
		case want == "" && (err != nil || env["A"] != "hunter2"):
			t.Errorf("%s: %v", file, err)
		case want != "" && !strings.Contains(told(err), want):
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}
