package tree

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"supd/privdrop/files"
)

// Unkillable gives the kernel's function in which a thread of a process sleeps that a
// signal does not wake, not even one that kills: execve(2) waits for its other threads to
// end. "" is none.
func Unkillable(pid int) string {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, thread := range threads {
		stat, err := files.Read(dir + "/" + thread.Name() + "/stat")
		if err != nil { // it has ended
			continue
		}
		wchan, _ := files.Read(dir + "/" + thread.Name() + "/wchan") // else it is not known
		if isUnkillable(stat, string(wchan)) {
			return string(wchan)
		}
	}
	return ""
}

// isUnkillable looks at what proc_pid_stat(5) and proc_pid_wchan(5) say. State D is also
// that of waits which a kill ends: some have it in their names, and that of vfork(2) is one.
// A request that a server of fuse(4) has in its hands is waited for in any case, though until
// a first signal the state is S (request_wait_answer in fs/fuse/dev.c).
func isUnkillable(stat []byte, wchan string) bool {
	if strings.HasPrefix(wchan, "request_wait_answer") {
		return true
	}
	sleeps := bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" D"))
	return sleeps && !strings.Contains(wchan, "killable") && !strings.HasPrefix(wchan, "kernel_clone")
}
