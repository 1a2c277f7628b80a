package supervisor

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"supd/configs"
	"supd/privdrop/files"
	"supd/supervisor/engine"
	"supd/supervisor/output"
	"supd/supervisor/release"
)

var errFiles = errors.New("what it is to run cannot be looked at: a disk does not answer")

// soon is active, but waits for no disk that does not answer: the app is held back then,
// and tried again.
func (p *preparer) soon(a *configs.App, state release.State) engine.App {
	for i := range a.Processes {
		_, _ = p.account(&a.Processes[i]) // which has a limit of its own; an error comes again
	}
	own := *p
	own.options = map[*output.Log]output.Options{}
	var one engine.App
	if !p.answers(a.Name, func() { one = own.active(a, state) }) {
		return engine.App{Config: a, Release: startedFrom(state), Trouble: errFiles}
	}
	maps.Copy(p.options, own.options)
	return one
}

// releaseSoon does the same for a release.
func (p *preparer) releaseSoon(app string, v configs.Version) (engine.App, error) {
	var one engine.App
	var err error
	if !p.answers(app, func() { one, err = p.release(app, v) }) {
		return engine.App{}, errFiles
	}
	return one, err
}

// reachable closes the sockets whose directories do not answer: the owner would wait for
// them. What is bound already stays.
func (p *preparer) reachable(one *engine.App) {
	for key, s := range one.Sockets {
		path, isUnix := strings.CutPrefix(s.Spec.Listen, "unix:")
		if isUnix && !p.answers(key, func() { _, _ = os.Lstat(path) }) { // what is wrong with it is said when it is bound
			delete(one.Sockets, key)
			one.Closed[key] = fmt.Errorf("socket %s: %s: its disk does not answer", s.Name, path)
		}
	}
}

// answers is what files.Lateness says; once one has not answered the others have less time.
func (p *preparer) answers(name string, do func()) bool {
	if p.late.Has(name) {
		return false
	}
	if p.late.Answers(name, p.patience, do) {
		return true
	}
	p.patience = files.Impatient
	return false
}
