package main

import (
	"strings"
	"testing"
)

// Whatever supd itself says on a terminal is printable, wherever it is from.
func TestSupdSpeaksProse(t *testing.T) {
	for _, flag := range []string{"--check", "--check-files", "--check-takeover=word"} {
		var out, errs strings.Builder
		if code := run([]string{flag, "--config", t.TempDir() + "/\x1b]0;title\a.toml"}, &out, &errs); code != exitInvalid {
			t.Errorf("%s: exited with %d", flag, code)
		}
		if !strings.Contains(errs.String(), "]0;title.toml") || strings.ContainsAny(errs.String(), "\x1b\a") {
			t.Errorf("%s: %q", flag, errs.String())
		}
	}
}
