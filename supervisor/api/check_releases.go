package api

import (
	"errors"
	"fmt"

	"supd/configs"
	"supd/privdrop/files"
	"supd/supervisor/release"
)

// CheckReleases says what keeps the active releases of a configuration from
// running as it is now, and what is not advisable. What this process may not read
// is not checked. It needs no daemon.
func CheckReleases(c *configs.Config) (wrong []error, traps []configs.Warning) {
	store := release.Open(c.Daemon.State)
	patience := &files.Patience{}
	for i := range c.Apps {
		a := &c.Apps[i]
		if a.Release == nil {
			continue
		}
		state, err := release.ReadState(store.StatePath(a.Name))
		if err != nil || state.Active == "" || state.Place == nil {
			continue
		}
		v := configs.Version{Name: state.Active, Path: state.Place.Path, Files: state.Place.Files}
		var with *configs.App
		if !patience.Answers(func() { with, err = c.With(a.Name, v) }) {
			wrong = append(wrong, c.Fault(a, "", "release", fmt.Errorf("%s: its directory or the user database: %s", v.Files, patience.Why())))
			continue
		}
		if err != nil {
			wrong = append(wrong, several(err)...)
			continue
		}
		for _, e := range c.VerifyApp(with, v) {
			wrong = append(wrong, e)
		}
		traps = append(traps, c.TrapsOf(with)...)
	}
	return wrong, traps
}

// several takes apart what configs joins.
func several(err error) []error {
	if all, ok := errors.AsType[*configs.Errors](err); ok {
		return all.Unwrap()
	}
	return []error{err}
}
