// Package release keeps a registry of the installed releases of each app, and the
// state of its rollouts.
//
// The registry (Store) is used by supctl, with or without a supd, and by those
// goroutines of supd that may block, never by the owner's. A line in here may read
// an installed tree, and make, link, copy and remove files beneath the state
// directory; nothing else is written. Every change of the registry is made under a
// file lock and appears by one rename(2), so that a process that is killed at any
// moment leaves either the old or the new.
//
// The state of an app (Journal) has one writer, supd, and any number of readers.
package release
