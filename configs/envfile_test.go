package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEnvFile(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "env", strings.Join([]string{
		"# a comment", "", "A=1", "  B = two words ", "export C=3", "D=", "E='$x \"#\" \\n' # comment", `F="a\n\t\"\\\$x#"`,
		"G=a#b", "H=http://u:p@h/?x=1&y=2", "\tI='' ", "J=\r", "K==", "_l9=é",
	}, "\n"))
	got, err := ReadEnvFile(filepath.Join(dir, "env"))
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
	_, err := ReadEnvFile(file)
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

func TestReadEnvFileMissing(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "none"): dir + "/none: no such file or directory",
		dir:                        dir + ": is not a regular file",
	} {
		if _, err := ReadEnvFile(file); told(err) != want {
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
	if _, err := ReadEnvFile(big); !strings.Contains(told(err), "is longer than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}
