package launch

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// workerOf is a worker that was given a socket of that inode, and was found just now.
func workerOf(t *testing.T, pid int, inode uint64) *Worker {
	t.Helper()
	start, err := tree.StartTime(pid)
	must(t, err)
	process, err := privdrop.Adopt(pid, start, 0)
	must(t, err)
	t.Cleanup(func() { process.Close() })
	w := &Worker{Process: record.Process{Pid: pid, Identity: record.Identity{Start: start},
		Belongings: record.Belongings{Sockets: map[string]uint64{"web": inode}}}, process: process}
	w.lookFirst()
	return w
}

// listenerAt gives a listening socket under that number or a higher one, and its inode.
func listenerAt(t *testing.T, number int) (file *os.File, inode uint64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	first, err := l.(*net.TCPListener).File()
	must(t, err)
	defer first.Close()
	fd, err := unix.FcntlInt(first.Fd(), unix.F_DUPFD_CLOEXEC, number)
	must(t, err)
	file = os.NewFile(uintptr(fd), "listener")
	t.Cleanup(func() { file.Close() })
	return file, inodesOf([]string{"web"}, []int{fd})["web"]
}

// started runs a command that has the file as descriptor 3, until the test ends.
func started(t *testing.T, file *os.File, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.ExtraFiles = []*os.File{file}
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return cmd
}

func everything(string) bool { return true }

func seek(t *testing.T, w *Worker) error {
	t.Helper()
	return Seek(t.Context(), []Sought{w.Sought("whois/web.1.1", Passed{}, everything)})
}

func isHeld(t *testing.T, w *Worker, inode uint64) bool {
	t.Helper()
	fd, err := w.Held(inode)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EBADF) && !errors.Is(err, privdrop.ErrGone) { // the last two: closed just now
			t.Error(err)
		}
		return false
	}
	defer unix.Close(fd)
	if got := inodesOf([]string{"web"}, []int{fd})["web"]; got != inode {
		t.Errorf("got socket %d, want %d", got, inode)
	}
	return true
}

// TestHeld: a socket is found where the worker was given it, where it has moved it, and in
// what it has started. What is easily found is not looked for any further.
func TestHeld(t *testing.T) {
	for name, c := range map[string]struct {
		number int
		argv   []string // nil: this process is the worker
		first  bool     // found by the first look
	}{
		"where it was given it": {3, []string{"cat"}, true},
		"moved far":             {300, nil, false},
		"in a child":            {3, []string{"sh", "-c", "exec 4<&0; cat <&4 4<&- & exec 3>&-; wait"}, false},
		"in a child of a child": {3, []string{"sh", "-c", "exec 4<&0; (exec 5<&4; cat <&5 5<&- & exec 3>&-; wait) <&4 & exec 3>&- 4<&-; wait"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			file, inode := listenerAt(t, c.number)
			pid := os.Getpid()
			if c.argv != nil {
				cmd := started(t, file, c.argv...)
				pid = cmd.Process.Pid
				file.Close()
				for !c.first && isHeld(t, workerOf(t, pid, inode), inode) { // until the shell has closed its own
				}
			}
			w := workerOf(t, pid, inode)
			if isHeld(t, w, inode) != c.first {
				t.Errorf("found at first: %v", !c.first)
			}
			if w.Sought("", Passed{}, everything).IsEmpty() != c.first {
				t.Error("what was found is sought, or what was not found is not")
			}
			for must(t, seek(t, w)); !isHeld(t, w, inode); must(t, seek(t, w)) { // until the shell has started it
				w = workerOf(t, pid, inode)
			}
		})
	}
}

// TestSeekHasBounds: neither many descriptors nor the time that others have taken keep supd
// at a search.
func TestSeekHasBounds(t *testing.T) {
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Cur < 2*mostDescriptors {
		if os.Getenv("SUPD_TEST_REQUIRE") == "1" {
			t.Fatalf("RLIMIT_NOFILE is %d, and SUPD_TEST_REQUIRE=1 forbids to skip", limit.Cur)
		}
		t.Skipf("needs more descriptors than RLIMIT_NOFILE permits, which is %d", limit.Cur)
	}
	_, near := listenerAt(t, 300)
	for range mostDescriptors {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
	}
	_, far := listenerAt(t, mostDescriptors+100)

	w := workerOf(t, os.Getpid(), near)
	over, end := context.WithCancel(t.Context())
	end()
	if err := Seek(over, []Sought{w.Sought("", Passed{}, everything)}); err == nil || isHeld(t, w, near) {
		t.Errorf("after the time is over: %v, found: %v", err, isHeld(t, w, near))
	}
	must(t, seek(t, w))
	if !isHeld(t, w, near) {
		t.Error("what is among the first descriptors is not found")
	}
	w = workerOf(t, os.Getpid(), far)
	must(t, seek(t, w))
	if isHeld(t, w, far) {
		t.Errorf("more than %d descriptors were looked at", mostDescriptors)
	}
}

// TestSwappedSocket: a worker has put another file in the place of its socket since it was
// looked at.
func TestSwappedSocket(t *testing.T) {
	file, inode := listenerAt(t, 20)
	w := workerOf(t, os.Getpid(), inode)
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(null)
	must(t, unix.Dup3(null, int(file.Fd()), unix.O_CLOEXEC))
	if isHeld(t, w, inode) {
		t.Error("another file is taken for the socket")
	}
}

// TestSought: what came through an execve is not looked for.
func TestSought(t *testing.T) {
	_, inode := listenerAt(t, 300)
	w := workerOf(t, os.Getpid(), inode)
	b := &w.Belongings
	b.Pipe, b.ErrorPipe, b.StatsdInode = 1, 2, 3
	b.Sockets["probe"] = 4
	const launch = "whois/web.1.1"
	isProbe := func(name string) bool { return name == "probe" }
	passed := Passed{passedOutput(stdout, launch): 0, passedStatsd(launch): 0}
	got := w.Sought(launch, passed, isProbe).links
	if len(got) != 2 || !(got[0] == socketLink(4) && got[1] == pipeLink(2) || got[1] == socketLink(4) && got[0] == pipeLink(2)) {
		t.Errorf("sought are %q", got)
	}
}
