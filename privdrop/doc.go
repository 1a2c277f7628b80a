// Package privdrop turns a fork of this process into a worker that has no
// privilege left which its Spec does not name.
//
// A launch is a list of system calls. Plan makes that list, in the one order
// that is right, with all memory prepared; Start performs it in a child that
// shares this process's memory (clone3 with CLONE_VFORK|CLONE_VM), Exec performs
// it in this very process. A call that fails is reported by its name.
//
// A Process that it has launched, or that Adopt finds again by what Identity said
// of it, is meant by its pidfd alone, never by a number that may be another's.
//
// # What comes along
//
// fork(2) and execve(2) hand on more than privileges. For each attribute, what the
// plan does with it, and the test that looks; "inherited" is
// TestNothingOfTheLaunchersComesAlong, which launches from a process that has all of
// them set, by Start and by Exec. Set: to what the Spec says, else to what is given
// here. Only what takes rights away and cannot be taken back is kept.
//
//	uid, gid, groups                 set: Account                          StartDropsEverything
//	capabilities, bounding set       set: Capabilities, else none          StartDropsEverything, inherited
//	securebits                       set: NOROOT, and what is locked       Securebits, inherited
//	no_new_privs                     set                                   StartDropsEverything
//	session keyring                  a new one, empty                      inherited
//	default keyring, key authority   reset (keyctl(2))                     inherited (the first)
//	signal dispositions, mask        every signal at its default, none blocked  StartDropsEverything, inherited
//	pending signals                  a child has none; kept by Exec, whose they are
//	scheduling class, slice, clamps  SCHED_OTHER, the kernel's, none       inherited
//	nice                             set: Nice, else 0                     StartDropsEverything, inherited
//	io priority                      none: it goes by nice                 inherited
//	CPU affinity                     set: CPUAffinity, else as PID 1       StartDropsEverything, inherited
//	NUMA memory policy               the kernel's                          inherited
//	timer slack                      50 µs; what 0 means to the worker's own prctl stays this thread's  inherited
//	personality                      PER_LINUX                             inherited
//	machine check policy             the system's                          inherited
//	io flusher                       off                                   inherited
//	huge pages off, page merging     reset, in this process too            inherited
//	coredump_filter                  as PID 1, in this process too         inherited
//	oom_score_adj                    set: OOMScoreAdjust, else 0           StartDropsEverything, inherited
//	limits of LimitNames             set: Limits, else those of this process, who was given them on purpose; nofile as it was before Go raised it  StartDropsEverything, StartGivesNofileBack
//	the other limits                 as PID 1: RTPRIO and NICE are 0 there  inherited
//	umask                            set: Umask, else 0022                 StartDropsEverything, inherited
//	working directory                set: Dir, else kept                   StartDropsEverything
//	descriptors                      set: Files; all others are closed     Files, inherited
//	environment                      set: Env                              StartDropsEverything, inherited
//	session, terminal                set: Session, else kept               StartDropsEverything, suprun's tests
//	cgroup                           set: CgroupFD, else kept              StartIntoCgroup
//	mount namespace                  set: Mounts, else kept                mount_test.go
//	parent-death signal, child subreaper, interval timers  a child has none; reset in Exec  inherited
//	POSIX timers, memory locks, thread and process keyrings, dumpable, keep_caps, name  end with fork or execve
//	seccomp filters, Landlock, PR_SET_MDWE, speculation control  kept: they only forbid
//	root directory, the other namespaces, core scheduling cookie, SELinux and AppArmor label  kept: supd runs where it was put
//	audit login uid and session      kept: changing them takes CAP_AUDIT_CONTROL, and may be forbidden
//
// PID 1 stands for the machine, or the container: it has what the kernel, its
// command line and the administrator give to whoever sets nothing.
//
// A line in here may read the user database, look for the command, and make
// system calls. It knows nothing of applications, configuration files or
// supervision, and holds no state between two launches but what PID 1
// has, and of this process what takes a file to know.
package privdrop
