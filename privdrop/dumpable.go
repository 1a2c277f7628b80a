package privdrop

import (
	"bytes"

	"supd/privdrop/files"
)

// Traceable reports whether a launch lets the worker's user read the memory of this
// process for a moment: with fs.suid_dumpable = 1, who has the uid of a child may
// trace it, although it has changed its uid (proc_sys_fs(5), ptrace(2)), and until
// execve the child's memory is this process's. With 0 and 2 nobody but root may.
func Traceable() bool { return traceable("/proc/sys/fs/suid_dumpable") }

func traceable(path string) bool {
	text, err := files.Read(path)
	return err == nil && string(bytes.TrimSpace(text)) == "1"
}
