// Package launch makes one worker's process and all that is made for it alone: its output's
// pipe, the sockets for READY=1 and for probes, a cgroup, directories, a statsd port, and the
// note by which the next supd finds it. It looks after the worker from then on, and takes
// all of that away when nothing of the worker lives any more.
//
// A line in here may open, make and remove what one worker needs, mount the room of an app,
// start a process by its launch plan, signal it, ask it, run its hooks, and read of it in
// /proc. It decides nothing: what is started or stopped, when and how often is the engine's
// to say. What it sees it tells by a Report, whose methods may wait for the engine.
//
// Start, Hook, Adopt and Release may block, and run in goroutines of the supervisor's. What
// asks a worker, hears it or watches it has goroutines of its own for each worker, which end
// with it. The engine's goroutine calls only what does not block, such as Signal, Alive,
// Watch and Treat; so nothing that calls a Report may run there. What all launches share, the
// Launcher, its Places and its Rooms, may be used by any goroutine.
package launch
