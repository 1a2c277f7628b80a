// Package statsd reads what the applications themselves say: statsd datagrams, by UDP
// on loopback. Each launch of a worker has a port of its own, so that the port says who
// sends, and no tag has to be believed. UDP, since a sender to a unix socket waits when
// nobody reads: a stopped supd would stop the site.
//
// The sockets are held by the workers as well. While no supd is there, what they send
// waits in the socket and is dropped by the kernel then: they see no error.
//
// A line in here reads datagrams, asks the kernel who has sent them, and counts. It runs
// in one goroutine for all ports, which nobody waits for; what was counted may be asked
// for by any goroutine. Nothing of it blocks on a worker.
package statsd
