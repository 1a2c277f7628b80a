package configs

import (
	"fmt"

	"supd/privdrop"
)

// With gives the named app as it is with a release: with the processes of both,
// and what the release's own supd.toml says below what the app's file says. Load
// has checked the rest already. The error is a *Errors. It reads the release's
// files and asks the user database, leaves c as it is and may run in any goroutine.
func (c *Config) With(app string, v Version) (*App, error) {
	from := c.sources[app]
	top := from.top
	if top == nil {
		return nil, &Errors{{File: displayed(c.home, c.Daemon.Apps), Msg: fmt.Sprintf("no app %q", app)}}
	}
	l := &loader{
		scope:   scope{report: &report{home: c.home}, root: c.root, home: c.home},
		builtIn: c.builtIn, stated: from.stated, config: c,
	}
	var a *App
	if own, ok := l.releaseFile(top.Place.File, v, c.account(app)); ok {
		a = l.resolved(top, v, own)
		l.checkOwnLogs(a)
	}
	if errs := l.scope.report.sorted(); len(errs) > 0 {
		return nil, &errs
	}
	return a, nil
}

// account is that of an app's own user, or nil where it has none that is known.
func (c *Config) account(app string) *privdrop.Account {
	a := c.App(app)
	if a == nil || a.User == "" {
		return nil
	}
	account, err := privdrop.Lookup(privdrop.Identity{User: a.User, Group: a.Group})
	if err != nil {
		return nil
	}
	return account
}

func (l *loader) resolved(top *value, v Version, own map[string]*value) *App {
	a := l.readApp(top, &v, own)
	if a.Release == nil {
		l.scope.report.add(top.Place, "has no [release], and cannot run %s", v.Name)
	}
	return &a
}
