package release

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

const (
	treeName       = "tree"
	manifestName   = "manifest"
	manifestFormat = "supd manifest 2"
)

// entry describes one file of a snapshot. The entries of a manifest are in the
// order of the tree: each directory before its content, names sorted.
type entry struct {
	depth int // 0 is the tree's root
	name  string
	kind  byte   // 'd', 'f' or 'l'
	mode  uint32 // permissions, 07777
	size  int64  // of a file, or of a link's target
	mtime int64  // ns since 1970; 0 for a directory: a file made and removed in it changes its time
	ino   uint64
	ctime int64 // of a copy, ns since 1970: its owner cannot set it; 0 for a directory, and for a link, whose ctime changes with the number of names
	from  source
}

// source is what differs in the installed file where it was copied and not linked.
type source struct {
	mode  uint32
	mtime int64 // may be more exact than the file system of the snapshots keeps it
	ino   uint64
	ctime int64
}

// kindOf gives 'd', 'f', 'l', or 0 for what cannot be kept: fifos, sockets,
// devices.
func kindOf(mode uint32) byte {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return 'd'
	case unix.S_IFREG:
		return 'f'
	case unix.S_IFLNK:
		return 'l'
	}
	return 0
}

func newEntry(depth int, name string, from, kept *unix.Stat_t, copied bool) entry {
	e := entry{depth: depth, name: name, kind: kindOf(from.Mode), mode: kept.Mode & 0o7777, ino: kept.Ino, from: source{mode: from.Mode & 0o7777, ino: from.Ino}}
	if e.kind != 'd' {
		e.size, e.mtime, e.from.mtime = from.Size, kept.Mtim.Nano(), from.Mtim.Nano()
	}
	if copied {
		e.ctime, e.from.ctime = kept.Ctim.Nano(), from.Ctim.Nano()
	}
	return e
}

// encodeManifest writes a line for each entry, ended by NUL, since names may have
// any other byte, and a last line that shows that none is missing.
func encodeManifest(entries []entry) []byte {
	b := make([]byte, 0, 80*len(entries)+100)
	b = append(b, manifestFormat...)
	b = append(b, 0)
	for _, e := range entries {
		b = append(b, e.kind, ' ')
		b = append(strconv.AppendInt(b, int64(e.depth), 10), ' ')
		b = append(strconv.AppendUint(b, uint64(e.mode), 8), ' ')
		b = append(strconv.AppendInt(b, e.size, 10), ' ')
		b = append(strconv.AppendInt(b, e.mtime, 10), ' ')
		b = append(strconv.AppendUint(b, e.ino, 10), ' ')
		b = append(strconv.AppendInt(b, e.from.mtime-e.mtime, 10), ' ')
		b = append(strconv.AppendUint(b, e.from.ino, 10), ' ')
		b = append(strconv.AppendUint(b, uint64(e.from.mode), 8), ' ')
		b = append(strconv.AppendInt(b, e.ctime, 10), ' ')
		b = append(strconv.AppendInt(b, e.from.ctime, 10), ' ')
		b = append(b, e.name...)
		b = append(b, 0)
	}
	b = append(b, "end "...)
	b = strconv.AppendInt(b, int64(len(entries)), 10)
	return append(b, 0)
}

// readManifest reads the manifest of the snapshot in dir.
func readManifest(dir string) ([]entry, error) {
	path := filepath.Join(dir, manifestName)
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := files.ReadUpTo(file, mostManifest)
	if err != nil {
		return nil, err
	}
	entries, err := decodeManifest(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

func decodeManifest(data []byte) ([]entry, error) {
	head, rest, _ := bytes.Cut(data, []byte{0})
	if string(head) != manifestFormat {
		return nil, fmt.Errorf("begins with %.40q: want %q", head, manifestFormat)
	}
	entries := make([]entry, 0, bytes.Count(rest, []byte{0}))
	for {
		line, more, whole := bytes.Cut(rest, []byte{0})
		if !whole {
			return nil, errors.New("is cut off")
		}
		rest = more
		if end, ok := strings.CutPrefix(string(line), "end "); ok {
			if end != strconv.Itoa(len(entries)) || len(rest) > 0 {
				return nil, fmt.Errorf("has %d entries: want %s", len(entries), end)
			}
			return entries, nil
		}
		e, err := parseEntry(string(line))
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(entries)+1, err)
		}
		if err := e.follows(entries); err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
}

func parseEntry(line string) (entry, error) {
	f := strings.SplitN(line, " ", 12)
	if len(f) != 12 || len(f[0]) != 1 || !strings.Contains("dfl", f[0]) {
		return entry{}, fmt.Errorf("%.40q is none", line)
	}
	e := entry{kind: f[0][0], name: strings.Clone(f[11])} // without the rest of the line
	if e.name == "" || strings.Contains(e.name, "/") || e.name == ".." {
		return entry{}, fmt.Errorf("%q is no name", e.name)
	}
	var errs [10]error
	e.depth, errs[0] = strconv.Atoi(f[1])
	mode, err := strconv.ParseUint(f[2], 8, 12)
	e.mode, errs[1] = uint32(mode), err
	e.size, errs[2] = strconv.ParseInt(f[3], 10, 64)
	e.mtime, errs[3] = strconv.ParseInt(f[4], 10, 64)
	e.ino, errs[4] = strconv.ParseUint(f[5], 10, 64)
	later, err := strconv.ParseInt(f[6], 10, 64)
	e.from.mtime, errs[5] = e.mtime+later, err
	e.from.ino, errs[6] = strconv.ParseUint(f[7], 10, 64)
	mode, errs[7] = strconv.ParseUint(f[8], 8, 12)
	e.from.mode = uint32(mode)
	e.ctime, errs[8] = strconv.ParseInt(f[9], 10, 64)
	e.from.ctime, errs[9] = strconv.ParseInt(f[10], 10, 64)
	if errors.Join(errs[:]...) != nil {
		return entry{}, fmt.Errorf("%.40q is none", line)
	}
	return e, nil
}

// follows checks the order of a tree: one root first, and nothing deeper than the
// content of the directory before it.
func (e entry) follows(before []entry) error {
	if len(before) == 0 {
		if e.depth != 0 || e.kind != 'd' {
			return errors.New("is not the root directory")
		}
		return nil
	}
	deepest := before[len(before)-1].depth
	if before[len(before)-1].kind == 'd' {
		deepest++
	}
	if e.depth < 1 || e.depth > deepest || e.name == "." {
		return fmt.Errorf("%q is in no directory", e.name)
	}
	return nil
}
