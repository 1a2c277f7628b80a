// Package output captures what workers print into log files.
//
// Each worker has a pipe and a goroutine that reads it; all workers of a process
// share one Log. A line in here may read those pipes, find them in /proc after
// supd was replaced, and write, rename and open files beneath the log's directory
// and the one that is given for what is on its way from a pipe to a log. A worker
// never waits for a file: what cannot be written is dropped and counted, and said
// once.
package output
