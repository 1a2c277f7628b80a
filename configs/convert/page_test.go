package convert

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The page names every option that is read.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../docs/convert.md")
	if err != nil {
		t.Fatal(err)
	}
	internal := []string{"max_age_variance", "virtualenv_py_ver", "stream_backend"} // which do nothing to what runs
	for _, option := range slices.Concat(programOptions, socketOptions, listenerOptions, mainOptions, watcherOptions) {
		if !strings.Contains(string(text), "`"+option+"`") && !slices.Contains(internal, option) {
			t.Errorf("docs/convert.md does not say what becomes of %s", option)
		}
	}
}
