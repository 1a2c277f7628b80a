package control

import (
	"fmt"
	"net/http"
	"time"

	"supd/supervisor/api"
)

// permit refuses what the peer may not do with the apps that it is about, and says so in
// the log.
func (s *Server) permit(r *http.Request, what string, may func(app string, uid int, gids []int) bool, key string, apps ...string) error {
	who := peerFrom(r)
	if who.mayAct() {
		return nil
	}
	for _, app := range apps {
		if !may(app, who.uid, who.gids) {
			return s.refuse(who, what, fmt.Sprintf("only %s, and who is named in %s, may %s", whoMayAct(), named(key, app), what))
		}
	}
	return nil
}

func (s *Server) refuse(who peer, what, why string) error {
	if s.refusals.has(who.uid, time.Now()) {
		s.options.Log.Warn("refused", "request", what, "by", who.String(), "not_told", s.notTold.Swap(0))
	} else {
		s.notTold.Add(1)
	}
	return fail(api.CodeDenied, "not permitted for %s: %s", who, why)
}

// named says where somebody would have to be named.
func named(key, app string) string {
	if app == "" {
		return "control." + key + " of supd.toml"
	}
	return fmt.Sprintf("%s of the file of %s or control.%[1]s of supd.toml", key, app)
}

// mayRead refuses to show logs and launch plans of apps to who may not see them.
func (s *Server) mayRead(r *http.Request, what string, apps ...string) error {
	return s.permit(r, what, s.daemon.Rights().MayRead, "readers", apps...)
}

// canRead reports whether the peer may see what an app's workers print.
func (s *Server) canRead(r *http.Request, app string) bool {
	who := peerFrom(r)
	return who.mayAct() || s.daemon.Rights().MayRead(app, who.uid, who.gids)
}

// mayDo refuses an action on apps.
func (s *Server) mayDo(r *http.Request, request api.Request, apps []string) error {
	if a := request.Action; (a == api.ActionShutdown || a == api.ActionReexec) && !peerFrom(r).mayAct() {
		return s.refuse(peerFrom(r), string(a), fmt.Sprintf("only %s may %s supd", whoMayAct(), a))
	}
	return s.permit(r, string(request.Action), s.daemon.Rights().MayOperate, "operators", apps...)
}

// isStranger reports whether the peer may operate nothing at all: it is refused before
// anything that it sends is looked at.
func (s *Server) isStranger(who peer) bool {
	if who.mayAct() || s.daemon.Rights().MayOperate("", who.uid, who.gids) {
		return false
	}
	for app := range s.daemon.Rights().Apps {
		if s.daemon.Rights().MayOperate(app, who.uid, who.gids) {
			return false
		}
	}
	return true
}

// appsOf names the apps that a status is about.
func appsOf(s *api.Status) (names []string) {
	for i := range s.Apps {
		names = append(names, s.Apps[i].Name)
	}
	return names
}
