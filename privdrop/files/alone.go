package files

import (
	"strconv"
	"strings"
)

// isAlone reports whether a group has no member but one user, by /etc/passwd and
// /etc/group. Of groups that are only known elsewhere nobody can say.
func isAlone(uid, gid int) bool {
	passwd, err := Read("/etc/passwd")
	if err != nil {
		return false
	}
	user := ""
	for line := range strings.Lines(string(passwd)) { // name:password:uid:gid:… (passwd(5))
		f := strings.Split(line, ":")
		if len(f) < 4 {
			continue
		}
		switch {
		case f[2] == strconv.Itoa(uid):
			user = f[0]
		case f[3] == strconv.Itoa(gid):
			return false
		}
	}
	groups, err := Read("/etc/group")
	if err != nil || user == "" {
		return false
	}
	for line := range strings.Lines(string(groups)) { // name:password:gid:members (group(5))
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 4 && f[2] == strconv.Itoa(gid) {
			return f[3] == "" || f[3] == user
		}
	}
	return false
}

// outside reports whether a user id is that of all who are none in this user
// namespace, and of nobody in it (user_namespaces(7)). What they may do to a file is
// not for anybody in here to say; the root directory of a container may be theirs.
func outside(uid int) bool {
	overflow, err := Read("/proc/sys/kernel/overflowuid")
	if err != nil || strings.TrimSpace(string(overflow)) != strconv.Itoa(uid) {
		return false
	}
	mapped, err := Read("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mapped)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			return false
		}
		first, bad := strconv.ParseUint(f[0], 10, 32)
		count, worse := strconv.ParseUint(f[2], 10, 32)
		if bad != nil || worse != nil || uint64(uid) >= first && uint64(uid)-first < count {
			return false
		}
	}
	return true
}
