//go:build linux

// Package nofile remembers the soft RLIMIT_NOFILE that this process was started
// with, which is what a worker is to get. Package syscall raises it to the hard
// limit at its initialization and keeps the original to itself.
//
// This package must import nothing: Go initializes packages in the order of
// their import paths, as far as their imports allow (language specification,
// "Program initialization", Go 1.21), and so this one before syscall.
package nofile

type rlimit struct{ soft, hard uint64 }

var atStart = read()

// AtStart returns the limit as it was when the process began.
func AtStart() (soft, hard uint64) { return atStart.soft, atStart.hard }

func read() (l rlimit) {
	getrlimit(&l)
	return l
}

// getrlimit is prlimit64(0, RLIMIT_NOFILE, nil, l), which cannot fail.
//
//go:noescape
func getrlimit(l *rlimit)
