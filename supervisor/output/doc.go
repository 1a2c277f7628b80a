// Package output captures what workers print into log files.
//
// Each worker has a pipe and a goroutine that reads it; all workers of a process
// share one Log. A line in here may read those pipes, find them in /proc after supd
// was replaced, send to the socket of the systemd journal, and write to standard output and a syslog server.
// It may open, write
// and rename files in the directory of the log, and in the one that holds output on
// its way from a pipe to a log. One goroutine of low priority compresses what was rotated,
// and nothing waits for it. A worker never waits for a file, and not long for
// the journal: what cannot be written is dropped and counted, which is logged once.
package output
