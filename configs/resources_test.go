package configs

import (
	"os"
	"strings"
	"testing"
)

// TestVerifyResources: what no process of this machine can have.
func TestVerifyResources(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		t.Skip(err)
	}
	most := strings.TrimSpace(string(text))
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		t.Skip(err)
	}
	dir := lay(t, map[string]string{"apps/app.toml": `user = "nobody"
[process.cpu]
command = "/bin/true"
cpu_affinity = [8190, 8191]
[process.cpus]
command = "/bin/true"
cpu_affinity = [0, 8191]
[process.nofile]
command = "/bin/true"
limits = { nofile = "1024:unlimited" }
[process.most]
command = "/bin/true"
limits = { nofile = ` + most + `, nproc = 1, as = "1GiB", stack = "64KiB" }
[process.nproc]
command = "/bin/true"
limits = { nproc = "0:10" }
[process.as]
command = "/bin/true"
limits = { as = 131071 }
[process.small]
command = "/bin/true"
limits = { as = 131071, stack = 65536 }
`})
	checkWords(t, verified(t, dir), []string{
		"apps/app.toml:4: process.cpu.cpu_affinity: none of these CPUs is online on this machine, which has " + strings.TrimSpace(string(online)) + "; name some of those",
		"apps/app.toml:10: process.nofile.limits.nofile: 1024:unlimited is above fs.nr_open, which is " + most + " on this machine: ",
		"apps/app.toml:16: process.nproc.limits.nproc: 0:10 lets the user have no process, and execve(2) refuses the first one; raise it",
		"apps/app.toml:19: process.as.limits.as: 131071 is less than the 131072 bytes that execve(2) takes for the stack: ",
	})
}
