package socket

import (
	"context"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// keepID leaves an owner or group as it is (chown(2)).
const keepID = -1

// getentTime bounds the question to a directory service.
const getentTime = 10 * time.Second

// owner is who a unix socket belongs to; keepID where the Spec says nothing.
type owner struct{ uid, gid int }

// resolveOwner makes numbers of the Spec's User and Group.
func (s Spec) resolveOwner() (owner, error) {
	o := owner{uid: keepID, gid: keepID}
	var err error
	if s.User != "" {
		if o.uid, o.gid, err = lookupUser(s.User); err != nil {
			return owner{}, fmt.Errorf("%s: %w", s.Listen, err)
		}
	}
	if s.Group != "" {
		if o.gid, err = lookupGroup(s.Group); err != nil {
			return owner{}, fmt.Errorf("%s: %w", s.Listen, err)
		}
	}
	return o, nil
}

// lookupUser finds a user's id and primary group. A number needs no entry in
// the database, and has no primary group then.
func lookupUser(name string) (uid, gid int, err error) {
	if uid, err := parseID(name); err == nil {
		if u, err := user.LookupId(name); err == nil {
			gid, err := parseID(u.Gid)
			return uid, gid, err
		}
		return uid, keepID, nil
	}
	if u, err := user.Lookup(name); err == nil {
		return twoIDs(u.Uid, u.Gid)
	}
	entry := getent("passwd", name)
	if len(entry) < 4 {
		return 0, 0, fmt.Errorf("user %q: no such user", name)
	}
	return twoIDs(entry[2], entry[3])
}

func lookupGroup(name string) (int, error) {
	if gid, err := parseID(name); err == nil {
		return gid, nil
	}
	if g, err := user.LookupGroup(name); err == nil {
		return parseID(g.Gid)
	}
	entry := getent("group", name)
	if len(entry) < 3 {
		return 0, fmt.Errorf("group %q: no such group", name)
	}
	return parseID(entry[2])
}

func twoIDs(a, b string) (int, int, error) {
	x, err := parseID(a)
	if err != nil {
		return 0, 0, err
	}
	y, err := parseID(b)
	return x, y, err
}

// parseID reads a uid or gid. The highest one means "unchanged" to chown(2) and
// can belong to nobody.
func parseID(s string) (int, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err == nil && id == 1<<32-1 {
		err = strconv.ErrRange
	}
	return int(id), err
}

// getent asks the name service switch, which alone knows the users of LDAP and
// SSSD when this binary is built without cgo. It returns the entry's fields, or
// nil when there is none.
func getent(database, name string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), getentTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "getent", "--", database, name).Output()
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(string(out), "\n")
	fields := strings.Split(line, ":")
	if fields[0] != name {
		return nil
	}
	return fields
}
