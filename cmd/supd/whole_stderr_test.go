package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/supervisor/api"
)

// TestNobodyReadsStandardError: a log reader that is stuck stops neither the
// supervision, nor what workers print to standard output, nor the end.
func TestNobodyReadsStandardError(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	dir, err := os.MkdirTemp(built.root, "stderr")
	if err != nil {
		t.Fatal(err)
	}
	user := ""
	if built.user != "" {
		user = "user = \"" + built.user + "\"\n"
	}
	write(t, dir+"/supd.toml", "[daemon]\napps = \"apps\"\nstate = \"state\"\nruntime = \"run\"\nlogs = \"log\"\n[control]\nsocket = \"supd.sock\"\ngroup = \"\"\n")
	write(t, dir+"/apps/a.toml", user+"[process.dies]\ncommand = [\"/bin/false\"]\ncount = 8\nbackoff = { initial = \"1ms\", max = \"2ms\" }\n"+
		"[process.sleeps]\ncommand = [\"/bin/sleep\", \"1000000\"]\nready = { uptime = \"1ms\" }\n"+
		"[process.prints]\ncommand = [\"/usr/bin/seq\", \"2000000\"]\nrestart = \"never\"\nready = { uptime = \"1ms\" }\nlog = { to = \"stdout\" }\n")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // and nobody reads it
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	supd := exec.Command(filepath.Join(built.bin, "supd"), "--config", dir+"/supd.toml")
	supd.Stdout, supd.Stderr = w, w
	if err := supd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { supd.Process.Kill() }) // it has ended, unless the test has failed
	ended := make(chan error, 1)
	go func() { ended <- supd.Wait() }()
	supctl := func(args ...string) string {
		out, _ := exec.Command(filepath.Join(built.bin, "supctl"), append([]string{"--socket", dir + "/supd.sock"}, args...)...).CombinedOutput()
		return string(out)
	}
	await(t, func() bool { return strings.Contains(supctl("status", "a/sleeps"), "RUNNING") })
	await(t, func() bool { // each start and end is several lines
		var s api.Status
		err := json.Unmarshal([]byte(supctl("--json", "status", "a/dies.1")), &s)
		return err == nil && len(s.Apps) == 1 && s.Apps[0].Processes[0].Workers[0].Restarts > 50
	})
	await(t, func() bool { return strings.Contains(supctl("status", "a/prints"), "EXITED") }) // all of it was read
	before := supctl("pid", "a/sleeps")
	if out := supctl("signal", "KILL", "a/sleeps"); !strings.Contains(out, "sent SIGKILL") {
		t.Errorf("signal: %s", out)
	}
	await(t, func() bool {
		now := supctl("pid", "a/sleeps")
		return now != before && strings.Contains(supctl("status", "a/sleeps"), "RUNNING")
	})
	if err := supd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("supd: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("SIGTERM is not obeyed")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// await looks again and again until something is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		begin := time.Now()
		if so() {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
		time.Sleep(max(50*time.Millisecond, time.Since(begin))) // as poll does
	}
}
