package supervisor

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Explanation is the launch plan of one worker, call by call.
type Explanation struct {
	Name string `json:"name"`
	Plan string `json:"plan"`
}

// Explain tells how the workers that target names would be launched now. Values
// of environment variables are left out.
func (s *Supervisor) Explain(target string) ([]Explanation, error) {
	type answer struct {
		jobs []job
		err  error
	}
	reply := make(chan answer, 1)
	s.post(func(o *owner) {
		slots, err := o.resolve([]string{target})
		var jobs []job
		for _, s := range slots {
			if s.edition == nil {
				err = fmt.Errorf("%s: no release is active; `supctl deploy %s` comes first", s.name(), s.process.app.name)
				break
			}
			jobs = append(jobs, o.job(&worker{slot: s, config: s.edition.config, edition: s.edition, generation: s.generation + 1}))
		}
		reply <- answer{jobs, err}
	})
	select {
	case a := <-reply:
		return s.kernel.explainAll(a.jobs, a.err)
	case <-s.done:
		return nil, fmt.Errorf("supd has stopped")
	}
}

func (l *linux) explainAll(jobs []job, err error) (all []Explanation, _ error) {
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		plan, err := l.explain(j)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.name(), err)
		}
		all = append(all, Explanation{j.name(), plan})
	}
	return all, nil
}

// explain makes the plan as a launch does, but nothing else: its descriptors are
// all supd's /dev/null, and the names of directories and sockets are those that
// a launch would use.
func (l *linux) explain(j job) (string, error) {
	notify := ""
	if j.process.Ready.Notify || j.process.Watchdog > 0 {
		notify = filepath.Join(l.runtime, "notify", j.file())
	}
	argv, env, err := environment(j, filepath.Join(l.runtime, "workers", j.file()), notify)
	if err != nil {
		return "", err
	}
	spec := workerSpec(j, argv, env)
	spec.ListenNames = j.listenNames()
	for range 3 + len(spec.ListenNames) {
		spec.Files = append(spec.Files, int(l.null.Fd()))
	}
	plan, err := spec.Plan()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = plan.Explain(&text)
	return text.String(), err
}
