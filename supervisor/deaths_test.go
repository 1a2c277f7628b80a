package supervisor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/supervisor/engine"
)

// TestDeaths: the end of a child is heard of without SIGCHLD, once, whether it comes
// before it is watched or after.
func TestDeaths(t *testing.T) {
	heard := make(chan struct{}, 8)
	d, err := newDeaths()
	if err != nil {
		t.Fatal(err)
	}
	go d.tell(func(engine.Event) { heard <- struct{}{} })
	for _, before := range []bool{true, false} {
		plan, err := privdrop.Spec{Argv: []string{"/bin/sleep", "1000"}, KeepPrivs: true}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Start()
		if err != nil {
			t.Fatal(err)
		}
		kill := func() {
			if err := p.Signal(unix.SIGKILL); err != nil {
				t.Error(err)
			}
			for p.Alive() {
				time.Sleep(time.Millisecond)
			}
		}
		if before {
			kill()
			d.watch(p.Fd())
		} else {
			d.watch(p.Fd())
			kill()
		}
		select {
		case <-heard:
		case <-time.After(time.Minute):
			t.Errorf("nobody hears of it (dead before it is watched: %t)", before)
		}
		unix.Wait4(p.Pid, nil, 0, nil)
		p.Close()
	}
	d.close()
	select {
	case <-heard:
		t.Error("it is heard of twice")
	default:
	}
}
