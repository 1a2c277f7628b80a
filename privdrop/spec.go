package privdrop

import "time"

// Mount is a directory that a worker sees in the place of another: From at To,
// read-only and without its set-uid bits and devices, whatever it is for others.
// Both paths are absolute. File systems that are mounted beneath From are not
// seen.
type Mount struct {
	From, To string
	// Cover keeps the mount when others rename or remove the directory To, which
	// without it takes the mount along; To need not even exist. Files in To may be
	// replaced and removed in any case.
	//
	// For that the worker gets a directory of its own in the place of the one that
	// holds To, with everything else that is in there at the time of the launch.
	// What is added to it later the worker does not see, what is replaced there it
	// sees as it was, and it cannot add anything itself.
	Cover bool
	// CoverFrom has the same done to all directories from this one on, which holds
	// the one that holds To, so that those below it may be removed too, or be
	// missing. "" is the one that holds To.
	CoverFrom string
}

// Account is a resolved identity: what Lookup makes of user and group names.
type Account struct {
	Name   string // login name; "" when the uid has none
	UID    int
	GID    int
	Groups []int // supplementary groups, without GID
	Home   string
	Shell  string
}

// Spec says what one worker is and what it may do. What it does not say, the worker
// does not have from this process: the table of the package lists what it gets in
// its place. A zero Dir, Account and CgroupFD keep those of this process, and
// RLIMIT_NOFILE is what this process was started with.
type Spec struct {
	Argv []string // Argv[0] without a slash is looked up in the PATH of Env
	Env  []string // the whole environment, "NAME=value"
	Dir  string   // working directory, entered as the worker's user; "" keeps it

	// Mounts are seen by the worker alone, in a mount namespace of its own. Dir,
	// the command and its interpreter are looked for in what the worker sees.
	Mounts []Mount

	Account   *Account // nil keeps the identity; only root can change it
	AllowRoot bool     // uid 0, gid 0 or a group 0 in Account is refused otherwise

	Resources

	// Capabilities are kept (permitted, effective, inheritable, ambient and
	// bounding); all others are dropped. Names without "cap_", lower case.
	Capabilities []string
	// KeepPrivs leaves capability sets, securebits and no_new_privs alone.
	KeepPrivs bool

	// Files are the descriptors that become 0, 1, 2, 3 …; all others are closed.
	// At least three; nil is standard input, output and error.
	Files []int
	// ListenNames name the Files from 3 on. When there are any, the child sets
	// LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID (sd_listen_fds(3)).
	ListenNames []string
	// Watchdog above 0 sets WATCHDOG_USEC and WATCHDOG_PID (sd_watchdog_enabled(3)).
	Watchdog time.Duration

	// Lifetime above 0 ends the command by SIGALRM (setitimer(2)), also when this process
	// is not there any more to do so.
	Lifetime time.Duration

	Session  bool // setsid(2)
	CgroupFD int  // a cgroup v2 directory the child is born in; 0 is none
}
