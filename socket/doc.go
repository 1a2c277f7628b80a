// Package socket opens the listening sockets that supd owns, keeps them open
// while no worker runs, and notices when a worker has damaged one.
//
// A line in here may bind, listen, take over a listener that an earlier supd has
// opened, change the owner and mode of a unix socket, and watch for a listener
// that was shut down or a path that was unlinked. It imports nothing of ours but
// privdrop/files, and not net/http: suprun links it.
package socket
