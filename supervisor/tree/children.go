package tree

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"supd/privdrop/files"
)

// Children gives the direct children of the process that are not dead, each with
// its start time, so that two reports can be compared: a pid with another start is
// another child. If the process is gone, the error is fs.ErrNotExist.
func Children(pid int) (map[int]uint64, error) {
	listed, err := listedChildren(pid)
	if errors.Is(err, errNoList) {
		return scannedChildren(pid)
	}
	if err != nil {
		return nil, err
	}
	children := make(map[int]uint64, len(listed))
	for child := range listed {
		p, err := readStat(child)
		if err == nil && p.Parent == pid && !p.Zombie { // else it is gone by now
			children[child] = p.Start
		}
	}
	return children, nil
}

// errNoList says that the kernel lacks CONFIG_PROC_CHILDREN.
var errNoList = errors.New("the kernel does not list children")

// listedChildren reads /proc/PID/task/*/children, of every thread, since each lists
// only the children that its thread has forked (proc_tid_children(5)). Each is read
// twice unless it is empty: if a child ends meanwhile, the kernel may leave out the next
// one.
func listedChildren(pid int) (map[int]bool, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	listed, lists := map[int]bool{}, 0
	for _, thread := range threads {
		for range 2 {
			text, err := files.Read(dir + "/" + thread.Name() + "/children")
			if err != nil {
				break
			}
			lists++
			if len(text) == 0 {
				break
			}
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					listed[child] = true
				}
			}
		}
	}
	if lists > 0 {
		return listed, nil
	}
	if _, err := os.Stat(dir); err != nil { // it has ended meanwhile
		return nil, err
	}
	return nil, errNoList
}

// scannedChildren looks at the parent of every process.
func scannedChildren(pid int) (map[int]uint64, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	if _, there := all[pid]; !there {
		return nil, &fs.PathError{Op: "read", Path: "/proc/" + strconv.Itoa(pid), Err: fs.ErrNotExist}
	}
	children := map[int]uint64{}
	for _, p := range all {
		if p.Parent == pid && !p.Zombie {
			children[p.Pid] = p.Start
		}
	}
	return children, nil
}
