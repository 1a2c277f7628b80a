package privdrop

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"supd/privdrop/files"
)

// Identity names an account, as a configuration does. Each name may be a number
// instead.
type Identity struct {
	User   string
	Group  string   // "" is the user's primary group
	Groups []string // nil: those that have the user as a member (initgroups(3)); empty: none
}

// Lookup finds the account in /etc/passwd and /etc/group. A name that is not
// there is asked of getent(1), which knows LDAP, SSSD and the like; for a user
// found in /etc/passwd, /etc/group alone says the groups.
//
// A uid without an entry is fine, with a Group; its home is "/".
func Lookup(id Identity) (*Account, error) { return system.lookup(id) }

// UnknownError is of a name that no account has.
type UnknownError struct {
	Kind string // "user" or "group"
	Name string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s %q does not exist (create it, or set another %[1]s)", e.Kind, e.Name)
}

// UserName is a user's name for people. It waits for no directory service, and
// gives "unknown user" where /etc/passwd has none.
func UserName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "unknown user"
	}
	return u.Username
}

// UserTitle gives "deploy (uid 1000)".
func UserTitle(uid int) string { return fmt.Sprintf("%s (uid %d)", UserName(uid), uid) }

var system = database{"/etc/passwd", "/etc/group", []string{"/usr/bin/getent", "/bin/getent"}, new(hang)}

func (d database) lookup(id Identity) (*Account, error) {
	if id.User == "" {
		return nil, errors.New("user: not set")
	}
	a, local, err := d.user(id.User)
	if err != nil {
		return nil, err
	}
	switch {
	case id.Group != "":
		if a.GID, err = d.gid(id.Group); err != nil {
			return nil, err
		}
	case a.GID == keepID:
		return nil, fmt.Errorf("user %q has no entry in the user database, so it needs a group (set group)", id.User)
	}
	if id.Groups == nil {
		a.Groups, err = d.memberships(a.Name, local)
	} else {
		a.Groups, err = d.gids(id.Groups)
	}
	slices.Sort(a.Groups)
	a.Groups = slices.DeleteFunc(slices.Compact(a.Groups), func(gid int) bool { return gid == a.GID })
	return a, err
}

// keepID is -1, which leaves a file's owner or group as it is (chown(2)).
const keepID = -1

// LookupOwner finds the ids that chown(2) gives a file to, as Lookup does: -1,
// which keeps what is there, for a name that is "". A user without a group brings
// its primary group; a uid without an entry has none, and keeps the file's.
func LookupOwner(user, group string) (uid, gid int, err error) { return system.owner(user, group) }

func (d database) owner(user, group string) (uid, gid int, err error) {
	uid, gid = keepID, keepID
	if user != "" {
		a, _, err := d.user(user)
		if err != nil {
			return 0, 0, err
		}
		uid, gid = a.UID, a.GID
	}
	if group != "" {
		if gid, err = d.gid(group); err != nil {
			return 0, 0, err
		}
	}
	return uid, gid, nil
}

// Fields of passwd(5) and group(5).
const (
	passwdName, passwdUID, passwdGID, passwdHome, passwdShell = 0, 2, 3, 5, 6
	groupGID, groupMembers                                    = 2, 3
)

// user finds a user, and whether the file has it. The GID is keepID for a uid
// without an entry.
func (d database) user(name string) (a *Account, local bool, err error) {
	entry, local, err := d.find(d.passwd, "passwd", name, 7)
	if err != nil {
		return nil, false, fmt.Errorf("user %q: %w", name, err)
	}
	if entry == nil {
		a, err = withoutEntry(name)
		return a, false, err
	}
	a = &Account{Name: entry[passwdName], Home: cmp.Or(entry[passwdHome], "/"), Shell: cmp.Or(entry[passwdShell], "/bin/sh")}
	if a.UID, err = parseID(entry[passwdUID]); err == nil {
		a.GID, err = parseID(entry[passwdGID])
	}
	if err != nil {
		return nil, false, fmt.Errorf("user %q: entry in passwd: %w", name, err)
	}
	return a, local, nil
}

func withoutEntry(name string) (*Account, error) {
	uid, err := parseID(name)
	switch {
	case errors.Is(err, errNoID):
		return nil, fmt.Errorf("user %q: %w", name, err)
	case err != nil:
		return nil, &UnknownError{"user", name}
	}
	return &Account{UID: uid, GID: keepID, Home: "/", Shell: "/usr/sbin/nologin"}, nil
}

func (d database) gid(name string) (int, error) {
	entry, _, err := d.find(d.group, "group", name, 4)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", name, err)
	}
	number := name
	if entry != nil {
		number = entry[groupGID]
	}
	return gidOf(name, number)
}

// gidOf reads the number of a group, which is its name where it has no entry.
func gidOf(name, number string) (int, error) {
	gid, err := parseID(number)
	switch {
	case errors.Is(err, errNoID):
		return 0, fmt.Errorf("group %q: %w", name, err)
	case err != nil:
		return 0, &UnknownError{"group", name}
	}
	return gid, nil
}

// gids does for many groups what gid does, and reads the file once.
func (d database) gids(names []string) ([]int, error) {
	gids := make([]int, 0, len(names))
	if len(names) == 0 {
		return gids, nil
	}
	text, err := files.Read(d.group)
	if err != nil {
		return nil, fmt.Errorf("group %q: %w", names[0], err)
	}
	numbers := map[string]string{}
	for _, name := range names {
		numbers[name] = ""
	}
	takeNumbers(text, numbers)
	for unknown := range slices.Chunk(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return numbers[name] != "" || !isKey(name) }), askedAtATime) {
		lines, err := d.ask("group", unknown...)
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", unknown[0], err)
		}
		takeNumbers([]byte(lines), numbers)
	}
	for _, name := range names {
		gid, err := gidOf(name, cmp.Or(numbers[name], name))
		if err != nil {
			return nil, err
		}
		gids = append(gids, gid)
	}
	return gids, nil
}

// askedAtATime is how many groups one getent is asked for, which has getentTimeout for all
// of them.
const askedAtATime = 256

// takeNumbers gives each group that is wanted the number of the entry of that name, else of
// that number.
func takeNumbers(text []byte, wanted map[string]string) {
	byNumber := map[string]bool{}
	for line := range bytes.Lines(text) {
		name, number, isEntry := nameAndNumber(line)
		if !isEntry {
			continue
		}
		if had, is := wanted[string(name)]; is && (had == "" || byNumber[string(name)]) {
			wanted[string(name)] = string(number)
			delete(byNumber, string(name))
		}
		if had, is := wanted[string(number)]; is && had == "" {
			wanted[string(number)] = string(number)
			byNumber[string(number)] = true
		}
	}
}

// nameAndNumber takes them out of an entry of group(5), NAME:PASSWORD:GID:USERS.
func nameAndNumber(line []byte) (name, number []byte, isEntry bool) {
	name, rest, _ := bytes.Cut(line, []byte(":"))
	_, rest, _ = bytes.Cut(rest, []byte(":"))
	number, _, isEntry = bytes.Cut(rest, []byte(":"))
	return name, number, isEntry
}

// memberships are the groups that name is a member of.
func (d database) memberships(name string, local bool) (gids []int, err error) {
	switch {
	case name == "":
		return nil, nil
	case !local:
		return d.remoteMemberships(name)
	}
	text, err := files.Read(d.group)
	for entry := range entriesWith(text, name) {
		if len(entry) < 4 || !slices.Contains(strings.Split(entry[groupMembers], ","), name) {
			continue
		}
		if gid, err := parseID(entry[groupGID]); err == nil {
			gids = append(gids, gid)
		}
	}
	return gids, err
}

func (d database) remoteMemberships(name string) (gids []int, err error) {
	line, err := d.ask("initgroups", name)
	if err != nil {
		return nil, fmt.Errorf("groups of user %q: %w", name, err)
	}
	fields := strings.Fields(line)
	for _, field := range fields[min(1, len(fields)):] {
		gid, err := parseID(field)
		if err != nil {
			return nil, fmt.Errorf("groups of user %q: %w", name, err)
		}
		gids = append(gids, gid)
	}
	return gids, nil
}

// find returns the entry of that name, else of that number, or nil, and whether
// the file has it.
func (d database) find(file, kind, key string, fields int) (entry []string, local bool, err error) {
	text, err := files.Read(file)
	if err != nil {
		return nil, false, err
	}
	if entry := match(text, key, fields); entry != nil {
		return entry, true, nil
	}
	if !isKey(key) {
		return nil, false, nil
	}
	line, err := d.ask(kind, key)
	return match([]byte(line), key, fields), false, err
}

// isKey reports whether getent can be asked: what is no name may be no argument for it.
func isKey(key string) bool {
	return !strings.HasPrefix(key, "-") && !strings.ContainsAny(key, ":\n\x00")
}

func match(text []byte, key string, fields int) (byNumber []string) {
	for entry := range entriesWith(text, key) {
		switch {
		case len(entry) < fields:
		case entry[0] == key:
			return entry
		case entry[2] == key && byNumber == nil: // in passwd(5) and group(5) alike
			byNumber = entry
		}
	}
	return byNumber
}

// entriesWith gives the entries that have what is looked for somewhere: at each launch
// few are taken apart.
func entriesWith(text []byte, what string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for line := range bytes.Lines(text) {
			if bytes.Contains(line, []byte(what)) && !yield(strings.Split(strings.TrimSuffix(string(line), "\n"), ":")) {
				return
			}
		}
	}
}

var errNoID = errors.New(`4294967295, or -1, means "unchanged" to setresuid(2) and is no id`)

func parseID(s string) (int, error) {
	if s == "-1" {
		return 0, errNoID
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number from 0 to 4294967294", s)
	}
	if n == noID {
		return 0, errNoID
	}
	return int(n), nil
}
