// Package supervisor keeps the workers of a configuration running. It wires the
// rooms below it: engine decides, launch makes one worker's process, record keeps
// what the next supd has to know, release the versions of apps, output what workers
// print.
//
// A Supervisor does what blocks: it looks up users, opens logs and journals, and
// looks for releases and for what an earlier supd has left, in the goroutine of
// whoever asks. The owner's goroutine gets what is prepared.
//
// A host is what the engine's owner has done in the world. A line in its methods
// runs in the owner's goroutine, and does not block: it may signal and reap, and
// open or close sockets. What takes time, such as a launch or a search of /proc, is
// done in a goroutine that reports by an event. A host knows no Supervisor.
//
// Files that a line in here may touch are those beneath the daemon's runtime and log
// directories, through package release those beneath its state directory, and through
// package configs those of the configuration.
package supervisor
