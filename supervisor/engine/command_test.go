package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"supd/supervisor/api"
)

// begins lets a command of the world's app run.
func (w *world) begins(pid int) (c *Command, ended chan Exit) {
	w.t.Helper()
	c, ended = &Command{App: "a", UID: 1000, By: "somebody", Stops: make(chan struct{})}, make(chan Exit, 1)
	w.in(func(o *Owner) {
		if err := errors.Join(o.AdmitCommand(c), o.CommandStarts(c)); err != nil {
			w.t.Error(err)
		}
		c.Pid = pid
		o.TaskStarted(pid, func() bool { return true }, ended)
	})
	return c, ended
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestCommands: an app has so many at a time, until their places are given back.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}), configured("web", 1))
		w.in(func(o *Owner) {
			var all []*Command
			for range mostCommands {
				c := &Command{App: "a"}
				if err := o.AdmitCommand(c); err != nil {
					t.Error(err)
				}
				all = append(all, c)
			}
			if o.AdmitCommand(&Command{App: "a"}) == nil {
				t.Error("one more is admitted")
			}
			if err := o.AdmitCommand(&Command{App: "b"}); err != nil {
				t.Errorf("of another app: %v", err)
			}
			if len(o.Commands()) > 0 {
				t.Errorf("said to run: %q", o.Commands())
			}
			o.CommandGone(all[0])
			if err := o.AdmitCommand(&Command{App: "a"}); err != nil {
				t.Errorf("after the end of one: %v", err)
			}
		})
		w.quit() // those that do not run hold nobody up
	})
}

// TestQuitWaitsForCommands: they are told, and none begins any more.
func TestQuitWaitsForCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}), configured("web", 1))
		c, _ := w.begins(9000)
		w.in(func(o *Owner) {
			if all := o.Commands(); len(all) != 1 || all[0] != "pid 9000 of a, for somebody" {
				t.Errorf("commands %q", all)
			}
		})
		w.s.post((*Owner).Quit)
		w.s.post((*Owner).Quit) // twice is no more than once
		time.Sleep(time.Hour)
		if !isClosed(c.Stops) || isClosed(w.now().Done()) {
			t.Errorf("told to stop: %v; supd has ended before: %v", isClosed(c.Stops), isClosed(w.now().Done()))
		}
		w.in(func(o *Owner) {
			late := &Command{App: "a", UID: 1000}
			if err := errors.Join(o.AdmitCommand(late), o.CommandStarts(late)); !errors.Is(err, errStopping) {
				t.Errorf("one more: %v", err)
			}
			o.CommandGone(late)
			o.CommandGone(c) // its main process has ended, and what it has left is searched for
		})
		time.Sleep(time.Hour)
		if isClosed(w.now().Done()) {
			t.Error("supd has ended before what the command has left")
		}
		w.in(func(o *Owner) {
			o.CommandEnded(c)
			if len(o.commands) > 0 {
				t.Error("the place of a command is lost")
			}
		})
		w.quit()
	})
}

// TestFreezeWaitsForCommands: the next supd would know nothing of them.
func TestFreezeWaitsForCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}), configured("web", 1))
		w.expect(time.Second, "a/web.1", api.Running)
		c, _ := w.begins(9000)
		rests := 0
		w.in(func(o *Owner) { o.Freeze(func() { rests++; o.Thaw() }) })
		time.Sleep(time.Hour)
		w.in(func(o *Owner) {
			if late := (&Command{App: "a", UID: 1000}); !errors.Is(o.CommandStarts(late), errGivesWay) {
				t.Error("one begins meanwhile")
			}
			if rests > 0 {
				t.Error("at rest while a command runs")
			}
			o.CommandEnded(c)
		})
		w.in(func(*Owner) {
			if rests != 1 {
				t.Errorf("at rest %d times", rests)
			}
		})
		w.quit()
	})
}

// TestCommandAndStrays: what a command has started is not taken for what a worker has put
// into the background, and a command is not killed with that.
func TestCommandAndStrays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}), configured("web", 1))
		w.expect(time.Second, "a/web.1", api.Running)
		c, _ := w.begins(9000)
		w.in(func(*Owner) { w.strays = nginx })
		w.do(api.ActionStop, false, "a")
		if w.kills.Load() > 0 {
			t.Error("what a command has started was killed with the last worker")
		}
		w.in(func(o *Owner) { o.CommandEnded(c) })
		w.do(api.ActionStart, false, "a")
		w.expect(time.Second, "a/web.1", api.Running)
		w.crash("a/web.1") // the strays are left, and it was the last worker
		time.Sleep(100 * time.Millisecond)
		w.in(func(o *Owner) {
			if late := (&Command{App: "a", UID: 1000}); !errors.Is(o.CommandStarts(late), errClearing) {
				t.Error("a command begins while strays of its user are killed")
			}
		})
		w.quit()
	})
}

// TestCommandFails: of one that was not started nothing is left.
func TestCommandFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}), configured("web", 1))
		w.in(func(o *Owner) {
			launching := o.launching
			c := &Command{App: "a", UID: 1000}
			if err := errors.Join(o.AdmitCommand(c), o.CommandStarts(c)); err != nil {
				t.Error(err)
			}
			o.CommandFailed(c)
			if o.launching != launching || o.runsCommands() || o.userOf(1000).commands > 0 {
				t.Errorf("launching %d, runs %v, commands %d", o.launching-launching, o.runsCommands(), o.userOf(1000).commands)
			}
		})
		w.quit()
	})
}
