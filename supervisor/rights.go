package supervisor

import (
	"fmt"
	"log/slog"

	"supd/configs"
	"supd/supervisor/api"
)

// Rights say who may do what over the control socket, by the configuration that was
// applied last.
func (s *Supervisor) Rights() *api.Rights { return s.rights.Load() }

// rightsOf looks up whom the configuration names. Who does not exist may do nothing; the
// log says so.
func rightsOf(c *configs.Config, log *slog.Logger) *api.Rights {
	rights := func(file string, operators, readers configs.People) api.AppRights {
		return api.AppRights{Operators: membersOf(file+": operators", operators, log), Readers: membersOf(file+": readers", readers, log)}
	}
	r := &api.Rights{All: rights("control", c.Control.Operators, c.Control.Readers), Apps: map[string]api.AppRights{}}
	for i := range c.Apps {
		if a := &c.Apps[i]; len(a.Operators)+len(a.Readers) > 0 || a.AllowRun {
			of := rights(a.File, a.Operators, a.Readers)
			of.Run = a.AllowRun
			r.Apps[a.Name] = of
		}
	}
	return r
}

func membersOf(key string, people configs.People, log *slog.Logger) (m api.Members) {
	var errs []error
	m.UIDs, m.GIDs, errs = people.Resolve()
	for _, err := range errs {
		log.Warn("configuration", "warning", fmt.Sprintf("%s: %s, and may do nothing", key, err))
	}
	return m
}
