package supervisor

import (
	"os"
	"testing"

	"supd/supervisor/engine"
	"supd/supervisor/output"
)

// TestLogsChangeBeforeTheyAreWritten: when a configuration is applied, and a worker's
// output may go to a log of it, that has the options of the same configuration already.
func TestLogsChangeBeforeTheyAreWritten(t *testing.T) {
	dir := t.TempDir()
	s := quietSupd(t, idleConfig(t, dir, ""), &keeper{held: map[string]int{}})
	defer s.host.close()
	go s.owner.Run()
	defer func() {
		s.owner.Post((*engine.Owner).Quit)
		<-s.owner.Done()
	}()
	next := idleConfig(t, dir, "log = { max_size = 4 }\n")
	path := dir + "/logs/app/web.log"
	err := s.applyConfig(next, nil, func(o *engine.Owner, p engine.Prepared) error {
		log, err := s.files.Open(path, output.Options{})
		if err != nil {
			return err
		}
		r, w, err := output.Pipe(-1, -1)
		if err != nil {
			return err
		}
		capture := log.Capture(r, nil)
		if _, err = w.WriteString("one\ntwo\n"); err != nil {
			return err
		}
		w.Close()
		<-capture.Done()
		return o.Apply(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{path + ".1": "one\n", path: "two\n"} {
		if got, err := os.ReadFile(path); string(got) != want {
			t.Errorf("%s has %q, %v, want %q", path, got, err, want)
		}
	}
}
