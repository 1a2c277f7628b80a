package tree

import (
	"bufio"
	"io"
	"strings"
)

// Mount is what a line of /proc/PID/mountinfo says (proc_pid_mountinfo(5)).
type Mount struct {
	ID     string
	Device string // MAJOR:MINOR of the file system: stat(2) may give another one, as on btrfs
	Root   string // which directory of the file system is mounted
	Point  string // where, as the process sees it from its root
	Type   string // of the file system
}

// longestMount is more than the paths and the options of a mount have.
const longestMount = 1 << 20

// EachMount calls a function with each mount that the text of a mountinfo lists, until it
// returns false. Who has a user namespace has as many mounts in it as fs.mount-max permits:
// one is held at a time.
func EachMount(mountinfo io.Reader, each func(Mount) (goOn bool)) error {
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(nil, longestMount)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if len(fields) < 5 {
			continue
		}
		m := Mount{ID: fields[0], Device: fields[2], Root: unescape.Replace(fields[3]), Point: unescape.Replace(fields[4])}
		m.Type, _, _ = strings.Cut(after, " ")
		if !each(m) {
			return nil
		}
	}
	return lines.Err()
}

// unescape undoes what the kernel does to the paths (mangle in fs/proc_namespace.c).
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
