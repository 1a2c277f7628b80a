package privdrop

import "golang.org/x/sys/unix"

// keyctlCapabilities is KEYCTL_CAPABILITIES of linux/keyctl.h, Linux 5.2.
const keyctlCapabilities = 31

// hasKeyrings reports whether keyctl(2) is there. Without it nobody reads a key:
// the kernel has none, or a container's filter refuses the call, and a filter holds
// for the worker as well, which it then keeps from reading (seccomp(2)).
func hasKeyrings() bool {
	_, err := unix.KeyctlInt(keyctlCapabilities, 0, 0, 0, 0)
	return err == nil
}

// leaveKeyring gives the child a session keyring of its own, empty. That of this
// process comes along otherwise, and whoever possesses a keyring reads the keys in
// it, under any uid (keyrings(7), "Possession"). The child makes it before it
// changes its uid: the quota of a worker's uid is its processes' to use up, and
// root's is not. Only for an ordinary user, whose quota and keys are the worker's
// as well, may it fail.
//
// Where a new key goes by default, and the authority to answer for another process,
// are inherited too (KEYCTL_SET_REQKEY_KEYRING and KEYCTL_ASSUME_AUTHORITY in
// keyctl(2)). Thread and process keyrings end with the fork.
func (b *builder) leaveKeyring() {
	if !b.host.keyrings {
		return
	}
	join := b.joinKeyring()
	if !b.host.canSwitch() {
		b.optional(join)
	}
	b.add("default keyring", "keyctl(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_DEFAULT)",
		unix.SYS_KEYCTL, unix.KEYCTL_SET_REQKEY_KEYRING, unix.KEY_REQKEY_DEFL_DEFAULT)
	b.add("authority over keys", "keyctl(KEYCTL_ASSUME_AUTHORITY, 0)", unix.SYS_KEYCTL, unix.KEYCTL_ASSUME_AUTHORITY, 0)
}

// ownKeyring comes after the change of the uid. Then the keyring is the worker's,
// not root's: its owner alone may set its permissions (keyctl_setperm(3)). With the
// uid's quota used up (EDQUOT) root's empty one stays, which works as well.
func (b *builder) ownKeyring() {
	if b.host.keyrings {
		b.optional(b.joinKeyring())
	}
}

func (b *builder) joinKeyring() int {
	return b.add("session keyring", "keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
}
