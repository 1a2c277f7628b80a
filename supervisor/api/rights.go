package api

import "slices"

// Rights say who may do what over the control socket, besides root and supd's own user,
// who may do everything. All others who can connect see the status and the releases.
type Rights struct {
	All  AppRights            // of every app
	Apps map[string]AppRights // by app
}

// AppRights are those to an app. Operators may do what readers may.
type AppRights struct {
	Operators Members // may start, stop, replace and deploy it
	Readers   Members // may see its logs and launch plans
	Run       bool    // operators may run commands as its user
}

// Members are users, and groups whose members are meant.
type Members struct{ UIDs, GIDs []int }

// Has reports whether a user is one of them, by his uid or one of the groups he is in.
func (m Members) Has(uid int, gids []int) bool {
	return slices.Contains(m.UIDs, uid) || slices.ContainsFunc(m.GIDs, func(gid int) bool { return slices.Contains(gids, gid) })
}

// MayOperate reports whether a user may operate an app; "" is every app.
func (r *Rights) MayOperate(app string, uid int, gids []int) bool {
	return r.All.Operators.Has(uid, gids) || app != "" && r.Apps[app].Operators.Has(uid, gids)
}

// MayRun reports whether operators of an app may run commands as its user.
func (r *Rights) MayRun(app string) bool { return r.Apps[app].Run }

// MayRead reports whether a user may see the logs and launch plans of an app; "" is
// every app, and supd itself.
func (r *Rights) MayRead(app string, uid int, gids []int) bool {
	return r.MayOperate(app, uid, gids) || r.All.Readers.Has(uid, gids) || app != "" && r.Apps[app].Readers.Has(uid, gids)
}
