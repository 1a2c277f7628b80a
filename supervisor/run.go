package supervisor

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"supd/supervisor/engine"
	"supd/supervisor/tree"
)

// Run supervises until ctx ends or a shutdown is asked for, then stops every
// worker and closes the sockets. It is called once.
func (s *Supervisor) Run(ctx context.Context) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	defer signal.Stop(children)
	go func() {
		for {
			select {
			case <-children:
				s.owner.Post((*engine.Owner).ChildDied)
			case <-ctx.Done():
				s.owner.Post((*engine.Owner).Quit)
				ctx = context.WithoutCancel(ctx)
			case <-s.owner.Done():
				return
			}
		}
	}()
	go s.host.deaths.tell(s.owner.Post)
	s.owner.Post((*engine.Owner).ChildDied) // those of a supd that has become this one may have died meanwhile
	go s.takeUp()
	s.host.sockets.watch(s.owner.Post)
	s.host.upkeep.begin()
	s.owner.Run()
	s.host.upkeep.rest()
	s.killLeft()
	s.forgetRecord()
	s.host.launcher.Rooms.Close(rubbishTime) // before the lock goes: the next supd may use them as soon as it has it
	s.host.close()
	closed := make(chan struct{})
	go func() {
		s.files.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeTime):
		s.log.Warn("the log files are not closed: their disk does not answer")
	}
}

// closeTime is how long supd's end waits for the disk of the logs.
const closeTime = 5 * time.Second

// rubbishTime is how long supd's end waits for what workers have left.
const rubbishTime = 2 * time.Second

// killLeft ends what no worker could be found for.
func (s *Supervisor) killLeft() {
	killed, err := tree.KillAll(os.Getpid(), func(int) bool { return false })
	if len(killed) > 0 || err != nil {
		s.log.Warn("killed what was left behind", "processes", killed, "error", err)
	}
	s.host.Reap(func(int) bool { return false })
}

// forgetRecord removes the record of what runs: nothing does any more.
func (s *Supervisor) forgetRecord() {
	s.host.statsd.Forget()
	if err := os.Remove(s.host.writer.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("record of what ran", "error", err)
	}
}
