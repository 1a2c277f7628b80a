package privdrop

import (
	"fmt"
	"slices"
)

// capabilities by their number, linux/capability.h of Linux 5.9; none was added
// since.
var capabilities = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
	"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}

// Capabilities are the names of capabilities(7), without "cap_", in the order of
// their numbers.
func Capabilities() []string { return slices.Clone(capabilities) }

// ParseCapability returns the number of a capability of Capabilities.
func ParseCapability(name string) (int, error) {
	if n := slices.Index(capabilities, name); n >= 0 {
		return n, nil
	}
	return 0, fmt.Errorf("capability %q: unknown, want a name of capabilities(7) in lower case without \"cap_\"", name)
}

// Container stands, among capabilities, for what a program needs that is started as root
// and changes to its users by itself, as nginx, php-fpm and cron do. It is less than what
// root has in a container.
const Container = "@container"

var ofContainer = []string{"chown", "dac_override", "fowner", "kill", "net_bind_service", "setgid", "setuid"}

// ExpandCapabilities puts in the place of the word Container what it stands for, and
// gives each name once.
func ExpandCapabilities(names []string) []string {
	all := make([]string, 0, len(names))
	for _, name := range names {
		some := []string{name}
		if name == Container {
			some = ofContainer
		}
		for _, one := range some {
			if !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return all
}

func capabilityName(n int) string {
	if n < len(capabilities) {
		return capabilities[n]
	}
	return fmt.Sprintf("capability %d", n)
}
