// Package probe asks a worker whether it is ready, over a socket.
//
// A line in here may open a connection, write one request and read the beginning of
// the answer. It keeps no state, and runs in the goroutine of its caller. It does
// without net/http, whose client would be the largest part of a worker's
// supervisor.
package probe
