package socket

import "os"

// KeepID leaves an owner or group as it is (chown(2)).
const KeepID = -1

// Owner is whom a unix socket belongs to. The zero value is this process's own
// user and group, not root's: whoever means root has to say so with OwnedBy.
type Owner struct {
	user, group int // id+1; 0 keeps
}

// OwnedBy gives the owner with a user's and a group's id; KeepID keeps this
// process's own.
func OwnedBy(uid, gid int) Owner { return Owner{uid + 1, gid + 1} }

// ids are those for chown(2).
func (o Owner) ids() (uid, gid int) { return o.user - 1, o.group - 1 }

// definite is the owner with this process's own ids where the Spec names none,
// as a socket is born with them.
func (o Owner) definite() Owner {
	uid, gid := o.ids()
	if uid == KeepID {
		uid = os.Geteuid()
	}
	if gid == KeepID {
		gid = os.Getegid()
	}
	return OwnedBy(uid, gid)
}
