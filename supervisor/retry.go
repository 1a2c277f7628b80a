package supervisor

import (
	"supd/supervisor/api"
	"supd/supervisor/engine"
)

// retry prepares an app once more that is held back. It is called by the owner, and
// does not block.
func (s *Supervisor) retry(app string) {
	go func() {
		s.apply <- struct{}{}
		defer func() { <-s.apply }()
		c := s.newest.Load()
		a := c.App(app)
		have, err := engine.Ask(s.owner, (*engine.Owner).Facts)
		if a == nil || err != nil {
			return // it was removed, or supd has stopped
		}
		preparer := s.preparer(c, have)
		one := preparer.whole(a)
		p := prepared{engine.Prepared{Config: c, Apps: []engine.App{one}}, preparer.options}
		p.change(s.files)
		if ok, err := engine.Ask(s.owner, func(o *engine.Owner) bool { return o.Mend(c, one) }); !ok || err != nil {
			p.leave()
			return
		}
		s.finish(p)
		if one.Trouble == nil { // what was registered meanwhile
			go s.refresh(api.Request{Action: api.ActionRefresh, Targets: []string{app}})
		}
	}()
}
