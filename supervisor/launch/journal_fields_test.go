package launch

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/supervisor/output"
)

func TestFields(t *testing.T) {
	w := &Worker{spec: Spec{App: "whois", Process: &configs.Process{Name: "web"}, Slot: 1, Generation: 7}}
	w.Pid = 4711
	want := []output.Field{
		{Name: "SUPD_APP", Value: "whois"}, {Name: "SUPD_GENERATION", Value: "7"}, {Name: "SUPD_PROCESS", Value: "web"},
		{Name: "SUPD_SLOT", Value: "1"}, {Name: "SUPD_WORKER", Value: "whois/web.1"}, {Name: "SUPD_PID", Value: "4711"},
	}
	if diff := cmp.Diff(want, w.fields()); diff != "" {
		t.Errorf("without a release, -want +got:\n%s", diff)
	}
	w.spec.Release = &configs.Version{Name: "1.5.0", Path: "/opt/whois/1.5.0"}
	got := w.fields()
	for _, f := range []output.Field{{Name: "SUPD_VERSION", Value: "1.5.0"}, {Name: "SUPD_RELEASE", Value: "/opt/whois/1.5.0"}} {
		if !slices.Contains(got, f) {
			t.Errorf("%v is not in %v", f, got)
		}
	}
}

// TestJournalIsALog: what configs calls the journal, output does too.
func TestJournalIsALog(t *testing.T) {
	if want := string(configs.LogJournal) + ":"; output.Journal != want {
		t.Errorf("output.Journal is %q, want %q", output.Journal, want)
	}
}
