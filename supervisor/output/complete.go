package output

import (
	"bytes"
	"os"
	"path/filepath"
)

// complete ends the write of p to the log at path during which a supd was killed: a
// line that is in the file in part gets its rest before anything else is written
// there. It returns how much of p is in the file, and the size of the file up to
// there. A write that had not begun is left to the capture, whose log may be
// another file now.
func complete(path string, s state, p []byte) (n int, size int64) {
	file := findFile(path, s.file)
	if file == nil {
		return 0, s.size // it was deleted: p goes to the new one
	}
	defer file.Close()
	n, size = arrived(file, s, p)
	if size == s.size || n == len(p) {
		return n, size
	}
	if st, err := file.Stat(); err != nil || st.Size() != size {
		return n, size // somebody else has written
	}
	more, _ := file.Write(p[n:])
	return n + more, size + int64(more)
}

// arrived returns how much of p is in the file, and the size of the file up to
// there. Nobody else should write there; if somebody did, only whole lines of p
// count.
func arrived(file *os.File, s state, p []byte) (n int, size int64) {
	got := make([]byte, int(s.newline)+len(p))
	have, _ := file.ReadAt(got, s.size)
	got, size = got[:have], s.size
	if s.newline == 1 {
		if len(got) == 0 || got[0] != '\n' {
			return 0, size
		}
		got = got[1:]
		size++
	}
	for n < len(got) && got[n] == p[n] {
		n++
	}
	if n < len(got) {
		n = bytes.LastIndexByte(p[:n], '\n') + 1
	}
	return n, size + int64(n)
}

// mostNames is how many files of a log's directory are looked at: others may fill it.
const mostNames = 10_000

// findFile opens the file with that id, which was the log at path and may have been
// renamed since. It returns nil if the directory does not have it.
func findFile(path string, id fileID) *os.File {
	if f := openIf(path, id, appending); f != nil {
		return f
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(mostNames)
	for _, e := range entries {
		if f := openIf(filepath.Join(filepath.Dir(path), e.Name()), id, appending); f != nil {
			return f
		}
	}
	return nil
}
