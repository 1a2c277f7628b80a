package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestLostOutput: what was not written is no success.
func TestLostOutput(t *testing.T) {
	serve(t, newFake(""))
	t.Setenv("SUPD_CONFIG", writeConfig(t, map[string]string{"apps/whois.toml": validApp}))
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	defer full.Close()
	conf := shop(t, "")
	for command, want := range map[string]int{
		"status whois": 1, "status --json whois": 1, "status": 3, "pid": 1, "version": 1, "explain whois": 1, "--help": 1,
		"completion bash": 1, "check": 1, "check-health": 3, "convert " + conf: 1,
	} {
		var errs bytes.Buffer
		code := run(t.Context(), strings.Fields(command), full, &errs)
		if code != want || want != 3 && !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("%s: exited with %d\nstderr: %s", command, code, &errs)
		}
	}
}
