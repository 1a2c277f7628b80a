package supervisor

import (
	"errors"
	"maps"
	"time"

	"supd/configs"
	"supd/supervisor/engine"
	"supd/supervisor/output"
	"supd/supervisor/release"
)

const (
	// filesTime is how long is waited for what an app's own files say, while others wait.
	filesTime = 5 * time.Second
	// filesLateTime is how long for those of each other app once one has not come.
	filesLateTime = 200 * time.Millisecond
)

var errFiles = errors.New("what it is to run cannot be looked at: a disk does not answer")

// soon is active, but waits for no disk that does not answer: the app is held back then,
// and tried again.
func (p *preparer) soon(a *configs.App, state release.State) engine.App {
	for i := range a.Processes {
		_, _ = p.account(&a.Processes[i]) // which has a limit of its own; an error comes again
	}
	late := engine.App{Config: a, Release: startedFrom(state), Trouble: errFiles}
	if _, busy := p.late.LoadOrStore(a.Name, true); busy {
		return late
	}
	own := *p
	own.options = map[*output.Log]output.Options{}
	done := make(chan engine.App, 1)
	go func() {
		one := own.active(a, state)
		p.late.Delete(a.Name)
		done <- one
	}()
	end := time.NewTimer(p.patience)
	defer end.Stop()
	select {
	case one := <-done:
		maps.Copy(p.options, own.options)
		return one
	case <-end.C:
		p.patience = filesLateTime
		return late
	}
}
