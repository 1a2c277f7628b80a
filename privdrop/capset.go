package privdrop

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Bits of linux/securebits.h. The bit above each locks it.
const (
	secureNoRoot       = 1 << 0
	secureNoRootLocked = 1 << 1
	secureLocks        = 0xaaaaaaaa
)

func (b *builder) checkCapabilities() error {
	if uid, _ := b.target(); uid != 0 && slices.Contains(b.spec.Capabilities, Container) {
		return fmt.Errorf("capability %s: is for root, who changes to other users; name those that the command needs", Container)
	}
	names := ExpandCapabilities(b.spec.Capabilities)
	if len(names) > 0 && b.spec.KeepPrivs {
		return fmt.Errorf("capabilities %s: not together with KeepPrivs", strings.Join(names, ", "))
	}
	for _, name := range names {
		n, err := b.host.capability(name)
		if err != nil {
			return err
		}
		if !slices.Contains(b.caps, n) {
			b.caps = append(b.caps, n)
		}
	}
	slices.Sort(b.caps)
	return nil
}

// capability is the number of one that this process may give to a child.
func (h host) capability(name string) (int, error) {
	n, err := ParseCapability(name)
	switch {
	case err != nil:
		return 0, err
	case n > h.lastCap:
		return 0, fmt.Errorf("capability %s: this kernel does not have it", name)
	case h.permitted&(1<<n) == 0:
		return 0, fmt.Errorf("capability %s: this process does not have it itself", name)
	}
	return n, nil
}

// bound makes what is not in Capabilities unreachable, through files with
// capabilities as well as through uid 0. Without CAP_SETPCAP it is left out:
// no_new_privs alone keeps an execve from giving any.
func (b *builder) bound() {
	if !b.host.has(unix.CAP_SETPCAP) {
		return
	}
	series := fmt.Sprintf("prctl(PR_CAPBSET_DROP, %s)", b.others())
	for n := 0; n <= b.host.lastCap; n++ {
		if !slices.Contains(b.caps, n) {
			i := b.add(boundCalls()[n], "", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0)
			b.list[i].series = series
		}
	}
	// An execve by uid 0 then gives no more than the ambient set. Not
	// SECBIT_NO_SETUID_FIXUP: a root worker that changes to another user counts
	// on losing its capabilities. What this process has locked cannot be changed
	// (capabilities(7), "The securebits flags"); the rest of its bits is its own.
	locks := b.host.securebits & secureLocks
	bits := b.host.securebits&(locks|locks>>1) | secureNoRoot | secureNoRootLocked
	b.add("securebits", "prctl(PR_SET_SECUREBITS, SECBIT_NOROOT|SECBIT_NOROOT_LOCKED)",
		unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, uintptr(bits), 0, 0, 0)
}

// boundCalls are the names of the calls that empty the bounding set, by the capability:
// each launch has nearly all.
var boundCalls = sync.OnceValue(func() []string {
	names := make([]string, mostCapabilities)
	for n := range names {
		names[n] = "drop " + capabilityName(n) + " from the bounding set"
	}
	return names
})

func (b *builder) others() string {
	if len(b.caps) == 0 {
		return "every capability"
	}
	return "every capability but " + b.capNames()
}

func (b *builder) capNames() string {
	names := make([]string, len(b.caps))
	for i, n := range b.caps {
		names[i] = capabilityName(n)
	}
	return strings.Join(names, ", ")
}

// setCapabilities sets the sets of the thread exactly. The ambient set is what
// survives an execve of a file without capabilities by a uid that is not 0.
func (b *builder) setCapabilities() {
	header := address(&b.calls, []unix.CapUserHeader{{Version: unix.LINUX_CAPABILITY_VERSION_3}})
	data := make([]unix.CapUserData, 2)
	for _, n := range b.caps {
		d := &data[n/32]
		d.Effective |= 1 << (n % 32)
		d.Permitted, d.Inheritable = d.Effective, d.Effective
	}
	b.add("capset", fmt.Sprintf("capset(permitted, effective, inheritable: [%s])", b.capNames()),
		unix.SYS_CAPSET, header, address(&b.calls, data))
	b.add("clear ambient capabilities", "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)",
		unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	for _, n := range b.caps {
		b.add("ambient "+capabilityName(n), fmt.Sprintf("prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, %s)", capabilityName(n)),
			unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0)
	}
}
