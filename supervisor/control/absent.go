package control

import (
	"os"
	"slices"

	"supd/configs"
)

// unitDirectories are where systemd finds a unit (systemd.unit(5)).
var unitDirectories = []string{"/etc/systemd/system/", "/run/systemd/system/", "/usr/local/lib/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"}

// whereToLook says how to find out why no supd answers on a socket: systemd knows of the
// one that its unit has started, which has the usual socket. exists tells of paths.
func whereToLook(socket string, exists func(path string) bool) string {
	_, usual := configs.Default()
	switch {
	case socket != usual.Socket:
		return "is it running? `supctl check --config FILE` tells whether it could"
	case exists("/run/systemd/system") && slices.ContainsFunc(unitDirectories, func(dir string) bool { return exists(dir + "supd.service") }): // sd_booted(3)
		return "is it running? `systemctl status supd` tells, and `supctl check` whether it could"
	}
	return "is it running? `supctl check` tells whether it could, and --socket names another one's socket"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
