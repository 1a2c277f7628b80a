package supervisor

import (
	"time"

	"supd/configs"
)

// lookTime is how long the files of the configuration may take to be looked at. They may
// be on a file server that is dead.
const lookTime = 2 * time.Second

// Unapplied gives the files of the configuration that are not as they were applied, or
// none where that cannot be found out soon.
func (s *Supervisor) Unapplied() []configs.File {
	late := time.NewTimer(lookTime)
	defer late.Stop()
	select {
	case s.looks <- struct{}{}: // one at a time, so that no more than one hangs
	case <-late.C:
		return nil
	}
	found := make(chan []configs.File, 1)
	go func() {
		defer func() { <-s.looks }()
		all, _ := s.newest.Load().Unapplied() // an error is that of the next apply
		found <- all
	}()
	select {
	case all := <-found:
		return all
	case <-late.C:
		return nil
	}
}
