// Package engine decides what runs: apps, processes, slots and their workers,
// rollouts, requests, and what an earlier supd has left.
//
// One goroutine, the owner, holds all state: which workers there are, what they
// do and what is desired. It never waits for a file, a network, a lock or a
// process; whoever does reports back with an Event, which is a function that the
// owner's goroutine runs. Its loop is
//
//	settle → publish the Status → set the one timer → wait for an event or the timer
//
// where settle brings each slot as near to what is desired as can be now, and is
// idempotent. Start, stop, restart, a changed configuration, a damaged socket, ill
// health, another release and shutdown all do no more than change what is desired.
// A rollout moves one slot after the other from a revision to the next, and
// journals each of its steps before it begins.
//
// A line in here computes with values. It touches no file, process, descriptor or
// lock: what has to be done in the world is asked of the Host, the Programs and
// the Journals, whose methods do not block. All of it runs in the owner's
// goroutine, but for Post, Status, Done and Ask, which any goroutine may call.
package engine
