// Package supervisor keeps the workers of a configuration running.
//
// One goroutine, the owner, holds all state: which workers there are, what they
// do and what is wished for. It never waits for a file, a network, a lock or a
// process; whoever does reports back with an event, which is a function that the
// owner's goroutine runs. Its loop is
//
//	settle → publish the Status → set the one timer → wait for an event or the timer
//
// where settle brings each slot as near to its wish as can be now and is
// idempotent. Start, stop, restart, a changed configuration, a damaged socket, ill
// health, another release and shutdown all do no more than change a wish. A rollout
// moves one slot after the other from an edition to the next, and journals each of
// its steps before it begins.
//
// What runs is written down whenever it changes, so that the supd that follows a
// killed one takes it over: takeover.go has how.
//
// A line in here may start workers through privdrop, own sockets through socket,
// send signals and reap children. Files it may touch are those beneath the
// daemon's runtime and log directories, and through package release those beneath
// its state directory. What only the owner's goroutine may
// touch has a method on owner, slot or worker; everything else in here is
// immutable or says which goroutine it runs in.
package supervisor
