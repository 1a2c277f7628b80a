package output

import "strings"

// fates are what becomes of output that is captured to a path which is no file, by the
// beginning of the path. What follows is APP/PROCESS.
var fates = map[string]string{Journal: "goes to the journal", None: "is thrown away", Stdout: "goes to supd's standard output", Syslog: "goes to syslog"}

// FateOf says what becomes of output that is captured to a path which is no file, such as
// "goes to the journal", and "" where it is one.
func FateOf(path string) string {
	if kind, _, is := strings.Cut(path, ":"); is {
		return fates[kind+":"]
	}
	return ""
}

// isFile reports whether a path is that of a file: it is absolute then.
func isFile(path string) bool { return FateOf(path) == "" }

// nowhere drops everything.
type nowhere struct{}

func (nowhere) write(_ *Log, from *Capture, p []byte) { from.in.wrote(len(p), 0, false) }
func (nowhere) rest()                                 {}
func (nowhere) close() error                          { return nil }
