package configs

import (
	"strconv"
	"strings"
	"testing"

	"supd/privdrop"
)

// TestMostGroups: the kernel takes no more.
func TestMostGroups(t *testing.T) {
	var groups []string
	for n := range privdrop.MostGroups + 1 {
		groups = append(groups, strconv.Quote(strconv.Itoa(100_000+n)))
	}
	text := func(groups []string) string {
		return "user = \"nobody\"\n[process.web]\ncommand = \"true\"\ngroups = [" + strings.Join(groups, ", ") + "]\n"
	}
	if _, err := load(lay(t, map[string]string{"apps/app.toml": text(groups[1:])})); err != nil {
		t.Error(err)
	}
	_, err := load(lay(t, map[string]string{"apps/app.toml": text(groups)}))
	if want := "apps/app.toml:4: process.web.groups: has 65537 groups, and a process has at most 65536 (setgroups(2)); name fewer"; told(err) != want {
		t.Errorf("got %q, want %q", told(err), want)
	}
}
