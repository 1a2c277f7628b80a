package privdrop

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// MostGroups is how many supplementary groups a process can have (NGROUPS_MAX).
const MostGroups = 65536

// noID is the uid and gid that means "unchanged" to setresuid(2).
const noID = 1<<32 - 1

func (b *builder) checkAccount() error {
	a := b.spec.Account
	if a == nil {
		return nil
	}
	for _, id := range append([]int{a.UID, a.GID}, a.Groups...) {
		if id < 0 || id >= noID {
			return fmt.Errorf("user %s: %d is no uid or gid", a.title(), id)
		}
	}
	if !b.host.canSwitch() && (a.UID != b.host.uid || a.GID != b.host.gid) {
		return fmt.Errorf("user %s (uid %d, gid %d): only root can change to it; this process has uid %d, gid %d",
			a.title(), a.UID, a.GID, b.host.uid, b.host.gid)
	}
	if b.spec.AllowRoot {
		return nil
	}
	return a.refuseRoot()
}

func (a *Account) refuseRoot() error {
	switch {
	case a.UID == 0:
		return errors.New("user root: refused (give the process a user of its own, or allow root)")
	case a.GID == 0:
		return fmt.Errorf("user %s: group root is refused (give it another group, or allow root)", a.title())
	case slices.Contains(a.Groups, 0):
		return fmt.Errorf("user %s: supplementary group root is refused (remove it, or allow root)", a.title())
	}
	return nil
}

func (a *Account) title() string {
	if a.Name != "" {
		return a.Name
	}
	return fmt.Sprintf("uid %d", a.UID)
}

// target is the uid and gid that the command runs with.
func (b *builder) target() (uid, gid int) {
	if a := b.spec.Account; a != nil {
		return a.UID, a.GID
	}
	return b.host.uid, b.host.gid
}

// dropPrivileges: each call takes a capability that a later one removes. The
// bounding set and securebits take CAP_SETPCAP; setgroups and setresgid
// CAP_SETGID, which setresuid away from 0 takes along, unless PR_SET_KEEPCAPS
// says otherwise (capabilities(7)).
func (b *builder) dropPrivileges() {
	if !b.spec.KeepPrivs {
		b.bound()
	}
	b.switchUser()
	if !b.spec.KeepPrivs {
		b.setCapabilities()
		b.add("no_new_privs", "prctl(PR_SET_NO_NEW_PRIVS, 1)", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
}

// switchUser leaves an ordinary user's identity alone: it is the Spec's already,
// and setgroups would be refused even to set what is set.
func (b *builder) switchUser() {
	a := b.spec.Account
	if a == nil || !b.host.canSwitch() {
		return
	}
	groups := make([]uint32, 0, len(a.Groups)+1)
	for _, gid := range a.Groups {
		groups = append(groups, uint32(gid))
	}
	at := address(&b.calls, groups[:1:cap(groups)])
	b.add("setgroups", fmt.Sprintf("setgroups(%v)", groups), unix.SYS_SETGROUPS, uintptr(len(groups)), at)
	b.add("setresgid", fmt.Sprintf("setresgid(%d, %[1]d, %[1]d)", a.GID), unix.SYS_SETRESGID, uintptr(a.GID), uintptr(a.GID), uintptr(a.GID))
	if len(b.caps) > 0 && !b.spec.KeepPrivs {
		b.add("keep capabilities", "prctl(PR_SET_KEEPCAPS, 1)", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0, 0, 0)
	}
	b.add("setresuid", fmt.Sprintf("setresuid(%d, %[1]d, %[1]d)", a.UID), unix.SYS_SETRESUID, uintptr(a.UID), uintptr(a.UID), uintptr(a.UID))
	if a.UID != b.host.uid {
		b.ownKeyring()
	}
}

// tryTakingBack makes sure of the drop: a kernel, a filter or a mistake in here
// that left a way back must not go unseen. What the Spec allows is not tried.
func (b *builder) tryTakingBack() {
	if b.spec.KeepPrivs && (b.spec.Account == nil || !b.host.canSwitch()) {
		return
	}
	uid, gid := b.target()
	if uid != 0 && !slices.Contains(b.caps, unix.CAP_SETUID) {
		b.add("check: taking root back", "setresuid(0, 0, 0)", unix.SYS_SETRESUID, 0, 0, 0)
		b.mustFail()
	}
	if slices.Contains(b.caps, unix.CAP_SETGID) || b.spec.KeepPrivs && uid == 0 {
		return
	}
	if gid != 0 {
		b.add("check: taking group root back", "setresgid(0, 0, 0)", unix.SYS_SETRESGID, 0, 0, 0)
		b.mustFail()
	}
	b.add("check: taking groups back", "setgroups([])", unix.SYS_SETGROUPS, 0, 0)
	b.mustFail()
}
