package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// initFiles copies a directory of configs/init into the script's. Absolute paths in
// its files become paths in there; nothing else is changed. At the end it looks for
// a supd or worker that is left, since no other command knows of this supd.
func initFiles(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "initfiles NAME DIRECTORY")
	work := ts.Getenv("WORK")
	paths := strings.NewReplacer(
		"/usr/bin/sup", ts.Getenv("BIN")+"/sup",
		"/etc/init.d/", work+"/init.d/",
		"/etc/default/", work+"/default/",
		"/etc/supd/", work+"/",
		"/run/supd", work+"/run",
		"/var/lib/supd", work+"/state",
		"/var/log/", work+"/log/",
	)
	ts.Check(os.MkdirAll(filepath.Join(work, "log"), 0o755))
	source, dest := filepath.Join(ts.Getenv("REPO"), "configs/init", args[0]), ts.MkAbs(args[1])
	ts.Check(filepath.WalkDir(source, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		return layInit(path, filepath.Join(dest, rel), e, paths)
	}))
	apps, err := filepath.Glob(ts.MkAbs("apps/*.toml"))
	ts.Check(err)
	if len(apps) > 0 {
		expandFiles(ts, false, apps)
	}
	t := testOf(ts)
	ts.Defer(func() { endSupds(t, work) })
}

func layInit(source, dest string, e fs.DirEntry, paths *strings.Replacer) error {
	if e.IsDir() {
		return os.MkdirAll(dest, 0o755)
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return os.WriteFile(dest, []byte(paths.Replace(string(text))), info.Mode().Perm())
}

// endSupds kills the supds that a service manager has left, and fails the test for
// it.
func endSupds(t *testing.T, work string) {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range commands {
		text, err := os.ReadFile(file) // an error says that the process is gone by now
		argv := bytes.Split(text, []byte{0})
		if err != nil || filepath.Base(string(argv[0])) != "supd" || !bytes.Contains(text, []byte(work+"/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil {
			t.Errorf("supd is left running, pid %d: %s", pid, commandLine(pid))
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	(&daemon{}).endWorkers(t, "supd", work)
}

// supdPid waits until a supd answers whose pid is not the given one.
func supdPid(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1 || len(args) == 2, "supd VARIABLE [PID]")
	poll(ts, func() error {
		out, err := command(ts, "supctl", "pid").Output()
		pid := strings.TrimSpace(string(out))
		switch {
		case err != nil:
			return fmt.Errorf("supctl pid: %w", err)
		case len(args) == 2 && pid == args[1]:
			return errors.New("still " + pid)
		}
		ts.Setenv(args[0], pid)
		return nil
	})
}

// childOf gives the only child of a program in the background. For a program that
// makes a pid namespace that is the namespace's first process, with its pid
// outside.
func childOf(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "child VARIABLE SERVER")
	d := of(ts).daemons[args[1]]
	if d == nil {
		ts.Fatalf("no server %s", args[1])
	}
	pid := d.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	ts.Check(err)
	fields := strings.Fields(string(children))
	if len(fields) != 1 {
		ts.Fatalf("children of %s: %q, want one", args[1], fields)
	}
	ts.Setenv(args[0], fields[0])
}
