package output

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPace: a pause grows until a portion comes in it, and shrinks before the pipe is
// full, also where it could not be enlarged. Nothing for some pauses is no end.
func TestPace(t *testing.T) {
	for _, room := range []int{usualPipe, largePipe} {
		var p pace
		if p.goesOn(1, room) {
			t.Error("a pipe that nobody has waited for is no flood")
		}
		p.waited(shortWait)
		if p.goesOn(1, room) {
			t.Error("nor is one that was empty for long")
		}
		p.waited(0)
		for range 20 {
			p.goesOn(100, room)
		}
		if p.pause != longestPause {
			t.Errorf("after little the pause is %s, want %s", p.pause, longestPause)
		}
		for rate := int(1e9); rate >= 1e6; rate /= 10 { // bytes a second
			for range 20 {
				p.goesOn(min(room, int(p.pause.Seconds()*float64(rate))), room)
			}
			if got := int(p.pause.Seconds() * float64(rate)); got > room/2 && p.pause > shortestPause {
				t.Errorf("at %d bytes a second a pause of %s fills %d of %d bytes", rate, p.pause, got, room)
			}
		}
		for range 2 {
			for range mostEmpty {
				if !p.goesOn(0, room) || p.pause != longestPause {
					t.Error("a worker that does not run for a while is not waited for")
				}
			}
			if !p.goesOn(1, room) {
				t.Error("nor is it when it runs again")
			}
		}
		for range mostEmpty {
			p.goesOn(0, room)
		}
		if p.goesOn(0, room) {
			t.Error("a flood that is over goes on")
		}
	}
}

// TestRest: a pipe that was taken out wakes the capture as soon as it is armed again,
// also if it has something already, or no writer any more.
func TestRest(t *testing.T) {
	r, w, err := Pipe(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := pipes()
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{}, 1)
	pipe, err := p.add(int(r.Fd()), &Capture{ready: ready})
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.remove()
	woken := func(why string) {
		t.Helper()
		pipe.rest()
		pipe.rest() // once more is as good
		if err := pipe.arm(); err != nil {
			t.Fatalf("%s: %v", why, err)
		}
		select {
		case <-ready:
		case <-time.After(time.Minute):
			t.Fatalf("%s: nobody is woken", why)
		}
	}
	if _, err := w.Write([]byte("x\n")); err != nil {
		t.Fatal(err)
	}
	woken("something is there")
	if _, err := unix.Read(int(r.Fd()), make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	pipe.rest()
	if err := pipe.arm(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("y\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready:
	case <-time.After(time.Minute):
		t.Fatal("what comes later wakes nobody")
	}
	w.Close()
	woken("the writer is gone")
}
