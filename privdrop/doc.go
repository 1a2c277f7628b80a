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
// A line in here may read the user database, look for the command, and make
// system calls. It knows nothing of applications, configuration files or
// supervision, and holds no state between two launches.
package privdrop
