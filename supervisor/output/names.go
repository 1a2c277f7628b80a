package output

import (
	"strconv"
	"strings"
)

// rotated is the nth file that the log at path was rotated to, and the log itself for 0.
func rotated(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

const packedEnd = ".gz"

// packed is the nth one once it is compressed.
func packed(path string, n int) string { return rotated(path, n) + packedEnd }

// isPacked reports whether a file that the log with that name was rotated to is
// compressed.
func isPacked(file, name string) bool { return file != name && strings.HasSuffix(file, packedEnd) }

// unfinishedPack is what is being compressed. There is one at a time, so what a killed supd
// has left is replaced by the next.
func unfinishedPack(name string) string { return "." + name + packedEnd }
