package configs

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFault: it is placed like what Load finds, and still is what it was.
func TestFault(t *testing.T) {
	c, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nlog = \"../x.log\"\n")
	a := &c.Apps[0]
	log := c.Fault(a, "web", "log", fs.ErrPermission)
	if want := "apps/app.toml:4: process.web.log: permission denied"; log.Error() != want || !errors.Is(log, fs.ErrPermission) {
		t.Errorf("%v, want %s", log, want)
	}
	all := []error{errors.New("in no file"), c.FaultOf("control.socket", errors.New("a\nb")), log, Error{File: "apps/app.toml", Line: 2, Msg: "x"}}
	Sort(all)
	var got []string
	for _, err := range all {
		got = append(got, err.Error())
	}
	want := []string{"apps/app.toml:2: x", "apps/app.toml:4: process.web.log: permission denied", "supd.toml: control.socket: a b", "in no file"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
