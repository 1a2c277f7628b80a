package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAnsible is left out where Ansible or its collection is missing, also where nothing
// else may be: Debian's package of it has 250 MB.
func TestAnsible(t *testing.T) {
	if _, err := exec.LookPath("ansible"); err != nil {
		t.Skip("ansible is not installed; `apt-get install ansible` has 250 MB")
	}
	list := exec.Command("ansible-doc", "-t", "module", "-l", "community.general")
	list.Env = append(list.Environ(), "HOME=/no-home")
	if out, err := list.Output(); err != nil || !strings.Contains(string(out), "supervisorctl") {
		t.Skip("ansible has no module supervisorctl: the collection community.general is missing")
	}
	runScripts(t, "testdata/ansible")
}
