// Package output captures what workers print into log files.
//
// Each worker has a pipe and a goroutine that reads it; all workers of a process
// share one Log. A line in here may read those pipes, find them in /proc after
// supd was replaced, write, rename and open files beneath the log's directory
// and the one that is given for what is on its way from a pipe to a log, and send to
// the socket of the systemd journal. A worker never waits for a file, and not long
// for the journal: what cannot be written is dropped and counted, and said once.
package output
