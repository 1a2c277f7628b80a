package tree

// Worker is a worker whose main process is dead, but for Members and Signal.
type Worker struct {
	Pid        int
	Name       string // SUPD_WORKER
	Generation int    // SUPD_GENERATION
	Hook       string // SUPD_HOOK: it is not the worker, but a hook of it
	Command    string // SUPD_COMMAND: it is a command, and no worker; Name is for messages alone
	UID        int    // of all that it leaves behind, but for set-id programs; 0: of anybody
	Cgroup     string // its directory, if it was born in one of its own

	// Adopted says that an earlier supd has launched the worker: neither it nor
	// what it leaves behind descends from this supd.
	Adopted bool
	Runtime string // XDG_RUNTIME_DIR; "": not known
	Start   uint64 // of the main process, in clock ticks since the boot
	// Seen is a moment, as Now gives it, at which the main process was alive for
	// certain; the later, the better. 0: none is known.
	Seen uint64

	lives bool // the main process may
}
