package privdrop

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestView(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"old/bin/python":   "->python3",
		"old/bin/python3":  "->" + dir + "/usr/python3.13",
		"old/lib64":        "->" + dir + "/opt/lib",
		"old/lib/f":        "",
		"old/up":           "->../usr/python3.13",
		"old/round":        "->" + dir + "/opt/round",
		"opt/bin/new":      "",
		"optional/f":       "",
		"usr/python3.13":   "",
		"link":             "->opt/lib64",
		"usr/back/to/file": "->../../../opt/lib/f",
	})
	v := View{{From: dir + "/old", To: dir + "/opt"}}
	for path, want := range map[string]string{
		"opt":                dir + "/old",
		"opt/":               dir + "/old",
		"opt//./lib/f":       dir + "/old/lib/f",
		"opt/bin/python":     dir + "/usr/python3.13",
		"opt/lib64/f":        dir + "/old/lib/f",
		"opt/lib64/../lib/f": dir + "/old/lib/f",
		"opt/up":             dir + "/usr/python3.13", // from where the worker sees it
		"opt/bin/new":        dir + "/old/bin/new",
		"opt/round":          dir + "/opt/round",
		"optional/f":         dir + "/optional/f",
		"link/f":             dir + "/old/lib/f",
		"usr/back/to/file":   dir + "/old/lib/f",
		"gone/../opt/lib/f":  dir + "/old/lib/f",
	} {
		if got := v.Find(dir + "/" + path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := v.Find("opt/lib"); got != "opt/lib" {
		t.Errorf("relative: %s", got)
	}
	if got := View(nil).Find(dir + "/link"); got != dir+"/link" {
		t.Errorf("without mounts: %s", got)
	}
}

// The command, its interpreter and the directory are those that the worker will
// see.
func TestPlanLooksIntoMounts(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{
		"old/bin/python":   "#!/bin/sh",
		"old/bin/gunicorn": "#!" + dir + "/opt/bin/python\n",
		"old/bin/broken":   "#!" + dir + "/opt/bin/python4\n",
		"old/src/f":        "",
		"opt/bin/python4":  "#!/bin/sh",
		"opt/bin/celery":   "#!/bin/sh",
		"opt/newer/f":      "",
	})
	if err := os.Symlink("opt", dir+"/current"); err != nil {
		t.Fatal(err)
	}
	opt, path := dir+"/opt", []string{"PATH=" + dir + "/opt/bin"}
	for _, test := range []struct {
		name string
		spec Spec
		want string
		is   error
	}{
		{"path", Spec{Argv: []string{opt + "/bin/gunicorn"}}, "", nil},
		{"PATH", Spec{Argv: []string{"gunicorn"}, Env: path}, "", nil},
		{"relative", Spec{Argv: []string{"bin/gunicorn"}, Dir: opt}, "", nil},
		{"link", Spec{Argv: []string{dir + "/current/bin/gunicorn"}, Dir: dir + "/current/src"}, "", nil},
		{"only installed", Spec{Argv: []string{"celery"}, Env: path}, "celery: command not found in PATH " + opt + "/bin", ErrNotFound},
		{"interpreter only installed", Spec{Argv: []string{opt + "/bin/broken"}},
			opt + "/bin/broken: command not executable: its interpreter " + opt + "/bin/python4 does not exist; install it, or make the virtual environment anew where that was moved", ErrNotExecutable},
		{"directory", Spec{Dir: opt + "/src"}, "", nil},
		{"directory only installed", Spec{Dir: opt + "/newer"}, "directory " + opt + "/newer: no such file or directory", os.ErrNotExist},
		{"no From", Spec{Mounts: []Mount{{From: dir + "/gone", To: opt}}},
			"mount " + dir + "/gone at " + opt + ": " + dir + "/gone: no such file or directory (register the release again)", os.ErrNotExist},
		{"no To", Spec{Mounts: []Mount{{From: dir + "/old", To: dir + "/gone"}}},
			"mount " + dir + "/old at " + dir + "/gone: " + dir + "/gone: no such file or directory (make an empty directory there, for the mount to lie over)", os.ErrNotExist},
		{"no directory", Spec{Mounts: []Mount{{From: dir + "/old", To: "/etc/passwd"}}},
			"mount " + dir + "/old at /etc/passwd: /etc/passwd: not a directory (make an empty directory there, for the mount to lie over)", nil},
		{"not absolute", Spec{Mounts: []Mount{{From: dir + "/old", To: "opt"}}}, "mount " + dir + `/old at opt: "opt" is no absolute path`, nil},
		{"root", Spec{Mounts: []Mount{{From: dir + "/old", To: "/"}}},
			"mount " + dir + "/old at /: the root directory cannot be covered (give a directory beneath it)", nil},
		{"root by Cover", Spec{Mounts: []Mount{{From: dir + "/old", To: "/opt", Cover: true}}},
			"mount " + dir + "/old at /opt: the root directory cannot be covered (give a directory beneath it)", nil},
		{"no To to cover", Spec{Mounts: []Mount{{From: dir + "/old", To: dir + "/new", Cover: true}}}, "", nil},
		{"nothing to cover", Spec{Mounts: []Mount{{From: dir + "/old", To: dir + "/new/opt", Cover: true}}},
			"mount " + dir + "/old at " + dir + "/new/opt: " + dir + "/new: no such file or directory", os.ErrNotExist},
		{"covered", Spec{Mounts: []Mount{{From: dir + "/old", To: opt + "/a", Cover: true}, {From: dir + "/old", To: opt + "/newer"}}},
			"mount " + dir + "/old at " + opt + "/a: would cover the one at " + opt + "/newer (put them into different directories)", nil},
		{"twice", Spec{Mounts: []Mount{{From: dir + "/old", To: opt}, {From: dir + "/old/src", To: opt + "/bin"}}},
			"mount " + dir + "/old/src at " + opt + "/bin: overlaps with the one at " + opt + " (give each a directory of its own)", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.spec.Argv == nil {
				test.spec.Argv = []string{"/bin/sh"}
			}
			if test.spec.Mounts == nil {
				test.spec.Mounts = []Mount{{From: dir + "/old", To: dir + "/current"}} // a link to opt
			}
			_, err := test.spec.plan(rootHost())
			switch {
			case test.want == "" && err != nil, test.want != "" && (err == nil || err.Error() != test.want):
				t.Fatalf("got  %v\nwant %s", err, test.want)
			case test.is != nil && !errors.Is(err, test.is):
				t.Errorf("%v is no %v", err, test.is)
			}
		})
	}
}
