package launch

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/supervisor/record"
)

func TestNotes(t *testing.T) {
	runtime := configs.Runtime(t.TempDir())
	if err := runtime.Make(); err != nil {
		t.Fatal(err)
	}
	w := &Worker{launcher: &Launcher{Runtime: runtime}, spec: testJob(configs.Process{})}
	w.spec.Release = &configs.Version{Name: "1.4.0"}
	w.Belongings = record.Belongings{Pipe: 12, ErrorPipe: 15, Statsd: 8125, StatsdInode: 13, Sockets: map[string]uint64{"web": 14}}
	var token string
	for range 2 { // the second time in the place of the first
		before := token
		var err error
		if token, err = w.writeNote(); err != nil || token == before {
			t.Fatalf("token %q after %q, %v", token, before, err)
		}
	}
	want := map[string]Note{"whois.web.2.7": {token, 998, 12, 15, 8125, 13, "1.4.0", []uint64{14}}}
	got, err := Notes(runtime)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for name, text := range map[string]string{"short": token + " 998 12 0 0", "guessable": "x 998 12 0 0 1.4.0", "no number": token + " 998 12 0 0 1.4.0 x", "another user": token + " root 12 0 0 1.4.0", "half a pipe": token + " 998 12, 0 0 1.4.0"} {
		if err := os.Symlink(text, runtime.Launch(name)); err != nil {
			t.Fatal(err)
		}
		got, err := Notes(runtime)
		if diff := cmp.Diff(want, got); diff != "" || err == nil {
			t.Errorf("%s: %s, %v", name, diff, err)
		}
		if err := os.Remove(runtime.Launch(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.removeNote(); err != nil {
		t.Error(err)
	}
	if got, err := Notes(runtime); len(got) > 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
