package configs

import "strings"

// People are users, by name or number, and groups ("@deploy") that may do something over
// the control socket.
type People []string

func people(in input) (People, bool) {
	if in.Kind == anyText { // SUPD_CONTROL_OPERATORS="jenkins,@deploy"
		return strings.FieldsFunc(in.Text, func(r rune) bool { return r == ',' || r == ' ' }), true
	}
	return distinct(person)(in)
}

func person(in input) (string, bool) {
	s, ok := filled(in)
	if ok && s == "@" {
		in.fail(`"@" names no group; write "@NAME"`)
		return "", false
	}
	return s, ok
}

// Resolve gives the ids of those that exist, and says of each other one why not. It asks
// the user database, and may wait for a directory service.
func (p People) Resolve() (uids, gids []int, errs []error) {
	for _, name := range p {
		group, isGroup := strings.CutPrefix(name, "@")
		var err error
		if isGroup {
			var gid int
			if _, gid, err = lookupOwner("", group); err == nil {
				gids = append(gids, gid)
			}
		} else {
			var uid int
			if uid, _, err = lookupOwner(name, ""); err == nil {
				uids = append(uids, uid)
			}
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return uids, gids, errs
}

// people reports who does not exist, by the keys of an app, or of [control].
func (v *verification) people(fail func(key, format string, args ...any), prefix string, operators, readers People) {
	for key, people := range map[string]People{"operators": operators, "readers": readers} {
		_, _, errs := people.Resolve()
		for _, err := range errs {
			fail(prefix+key, "%s", err)
		}
	}
}
