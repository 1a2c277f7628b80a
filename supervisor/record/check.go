package record

import (
	"fmt"
	"path/filepath"

	"supd/configs"
	"supd/supervisor/api"
)

// MostSlots is how many slots a process can have.
const MostSlots = configs.MostWorkers

// sound is an error if no supd can have written this. What it names is signalled,
// emptied and removed: a damaged record must not lead anywhere else.
func (s *Record) sound() error {
	slots, pids := map[string]bool{}, map[int]bool{}
	for i := range s.Slots {
		slot := &s.Slots[i]
		name := slot.Name()
		switch {
		case !IsName(slot.App) || !IsName(slot.Process) || slot.Number < 0 || slot.Number > MostSlots || slot.Generation < 0:
			return fmt.Errorf("%q, generation %d, is no slot", name, slot.Generation)
		case slots[name] && slot.Number != Candidate: // which an ended rollout may still have
			return fmt.Errorf("%s is in it twice", name)
		}
		slots[name] = true
		for k := range slot.Workers {
			w := &slot.Workers[k]
			if pids[w.Pid] {
				return fmt.Errorf("%s: pid %d is in it twice", name, w.Pid)
			}
			pids[w.Pid] = true
			if err := w.sound(slot); err != nil {
				return fmt.Errorf("%s: pid %d: %w", name, w.Pid, err)
			}
		}
	}
	for name, fd := range s.Passed {
		if fd < firstPassed {
			return fmt.Errorf("descriptor %d is not %s", fd, name)
		}
	}
	return nil
}

// firstPassed: 0, 1 and 2 are supd's own.
const firstPassed = 3

// IsName reports whether a name is one path component, as those of apps and processes
// are.
func IsName(name string) bool {
	return filepath.IsLocal(name) && filepath.Base(name) == name && name != "."
}

func (w *Worker) sound(s *Slot) error {
	switch w.State {
	case api.Starting, api.Running, api.Unhealthy, api.Stopping:
	default:
		return fmt.Errorf("%q is no state of a worker", w.State)
	}
	if w.Pid <= 1 || w.Identity.Start == 0 || w.Generation < 1 || w.Generation > s.Generation {
		return fmt.Errorf("start %d, generation %d of %d, is no worker", w.Identity.Start, w.Generation, s.Generation)
	}
	for _, path := range []string{w.Belongings.Directory, w.Belongings.Cgroup} {
		if path != "" && (!filepath.IsAbs(path) || filepath.Base(path) != s.File(w.Generation)) {
			return fmt.Errorf("%s is not its directory", path)
		}
	}
	return nil
}
