package configs

import (
	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// Signal is a signal to a worker. It and the two functions below are here so that
// what decides about workers, and does no system call, can name signals without
// x/sys and privdrop: it knows configs alone.
type Signal = unix.Signal

// ParseSignal is privdrop's.
func ParseSignal(s string) (Signal, error) { return privdrop.ParseSignal(s) }

// SignalName is privdrop's: "SIGTERM".
func SignalName(sig Signal) string { return privdrop.SignalName(sig) }

// Signals that code names: Terminate stops what says nothing else, Continue lets a
// stopped process go on, so that it can act on another signal, and Kill waits for nothing.
const (
	Terminate = unix.SIGTERM
	Continue  = unix.SIGCONT
	Kill      = unix.SIGKILL
)
