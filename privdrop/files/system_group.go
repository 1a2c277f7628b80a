package files

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
)

// systemGroups are those that may write to directories of root's on some systems, and whose
// members look after the machine: on Ubuntu syslog to /var/log, on Debian staff to
// /usr/local (Debian Policy 9.1.2). Groups of services are not among them, whatever their
// number: who has taken over a service is in one.
var systemGroups = []string{"root", "wheel", "adm", "staff", "syslog"}

// mostGroups is how many lines of group(5) are looked at.
const mostGroups = 100_000

func isSystemGroup(gid uint32) bool { return gid == 0 || isSystemGroupIn("/etc/group", gid) }

func isSystemGroupIn(path string, gid uint32) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 0; n < mostGroups && lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) > 2 && fields[2] == strconv.FormatUint(uint64(gid), 10) {
			return slices.Contains(systemGroups, fields[0])
		}
	}
	return false
}
