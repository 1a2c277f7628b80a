package privdrop

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// execute lets a busy Go process become a report by Exec.
func execute(t *testing.T, s Spec, files ...*os.File) (report, string, error) {
	t.Helper()
	if s.Argv == nil {
		s.Argv = []string{command(), "worker", "report"}
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command(), "worker", "exec", string(text))
	cmd.ExtraFiles = files
	out := outputFile(t)
	cmd.Stdout = out
	var errors strings.Builder
	cmd.Stderr = &errors
	err = cmd.Run()
	if err != nil {
		return report{}, strings.TrimSpace(errors.String()), err
	}
	r := readReport(t, out)
	if r.Pid != cmd.Process.Pid {
		t.Errorf("pid %d, want %d", r.Pid, cmd.Process.Pid)
	}
	return r, "", nil
}

func TestExec(t *testing.T) {
	account := nobody(t)
	account.Groups = []int{4242}
	f := outputFile(t)
	r, stderr, err := execute(t, Spec{
		Account: account, Capabilities: []string{"net_raw"}, Session: true,
		Files: []int{0, 1, 2, 3, 1, 3, 3}, ListenNames: []string{"a", "b", "c", "d"}, // where the poller is
	}, f)
	if err != nil {
		t.Fatal(err, stderr)
	}
	set := capSet(t, "net_raw")
	r.want(t, map[string]string{
		"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "4242",
		"CapInh": set, "CapPrm": set, "CapEff": set, "CapBnd": set, "CapAmb": set,
		"NoNewPrivs": "1", "SigBlk": noCaps, "SigIgn": noCaps,
	})
	if r.Files[3] != f.Name() || r.Files[4] != r.Files[1] || r.Files[6] != f.Name() {
		t.Errorf("descriptors %q", r.Files)
	}
	if r.env("LISTEN_PID") != number(r.Pid) || r.Sid != r.Pid {
		t.Errorf("environment %q, session %d, pid %d", r.Env, r.Sid, r.Pid)
	}
}

func TestExecAsIs(t *testing.T) {
	r, stderr, err := execute(t, Spec{})
	if err != nil {
		t.Fatal(err, stderr)
	}
	r.want(t, map[string]string{"CapPrm": noCaps, "NoNewPrivs": "1"})
}

func TestExecFailsByName(t *testing.T) {
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{Files: []int{0, 1, 999}}, "dup descriptor 999 to 2: bad file descriptor"},
		{Spec{Argv: []string{"/bin/sh", strings.Repeat("x", 100)}, Resources: Resources{Limits: Limits{"nofile": {1 << 40, 1 << 40}}}}, "setrlimit nofile: operation not permitted"},
	} {
		if _, stderr, err := execute(t, test.spec); err == nil || stderr != test.want {
			t.Errorf("got %q, %v, want %q", stderr, err, test.want)
		}
	}
}
