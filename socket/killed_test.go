package socket

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// killed is what a supd, which is killed, tells of itself and leaves.
type killed struct {
	Worker  int               // pid of who holds its descriptors, in the order of the keys from 3 on
	Address map[string]string // what to dial, by key
}

// ownUntilKilled is the supd: it opens a Set of args[1:], which are keys and
// addresses, with args[0]/keep, and gives all to a worker.
func ownUntilKilled(args []string) error {
	set, err := NewSet(args[0] + "/keep")
	if err != nil {
		return err
	}
	if err := apply(set, specs(args[1:]...)); err != nil {
		return err
	}
	worker := exec.Command("/proc/self/exe")
	worker.Stdin, worker.Stderr = os.Stdin, os.Stderr
	left := killed{Address: map[string]string{}}
	for key, sock := range set.All() {
		left.Address[key] = addressOf(sock)
		worker.Args = append(worker.Args, sock.at.network)
		worker.ExtraFiles = append(worker.ExtraFiles, os.NewFile(uintptr(sock.Fd()), key))
	}
	worker.Env = append(os.Environ(), helperVar+"=worker")
	if err := worker.Start(); err != nil {
		return err
	}
	left.Worker = worker.Process.Pid
	if err := json.NewEncoder(os.Stdout).Encode(left); err != nil {
		return err
	}
	select {}
}

// becomeConfined is a supd that may not chroot(2), as one that does not run as
// root.
func becomeConfined() error {
	runtime.LockOSThread() // the bounding set is the thread's
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_CHROOT, 0, 0, 0); err != nil {
		return err
	}
	if err := os.Setenv(helperVar, "supd"); err != nil {
		return err
	}
	return unix.Exec("/proc/self/exe", os.Args, os.Environ())
}

// serveUntilEOF is a worker: it answers each connection with an "x" until its
// standard input ends, which is the test's.
func serveUntilEOF(networks []string) error {
	for i, network := range networks {
		if network == "udp" {
			continue
		}
		listener, err := net.FileListener(os.NewFile(uintptr(3+i), network))
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("x"))
				conn.Close()
			}
		}()
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// startSupd runs a supd of its own. kill kills it and nothing else.
func startSupd(t *testing.T, task string, args ...string) (left killed, kill func()) {
	t.Helper()
	stdin, hold, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { hold.Close() }) // ends the worker
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperVar+"="+task)
	cmd.Stdin, cmd.Stderr = stdin, os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	stdin.Close()
	kill = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("supd says %q, %v", line, err)
	}
	must(t, json.Unmarshal([]byte(line), &left))
	return left, kill
}

// takeFrom takes a descriptor from a living process.
func takeFrom(t *testing.T, pid, fd int) int {
	t.Helper()
	pidfd, err := unix.PidfdOpen(pid, 0)
	must(t, err)
	defer unix.Close(pidfd)
	taken, err := unix.PidfdGetfd(pidfd, fd, 0)
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		t.Skip("kernel.yama.ptrace_scope forbids to take a descriptor: ", err)
	}
	must(t, err)
	return taken
}

// hammer has clients connect and wait for an answer, until it is stopped: the
// errors that they have met.
func hammer(t *testing.T, clients int, network string, address func(client int) string) (stop func() []error) {
	end, all := make(chan struct{}), make(chan []error)
	for i := range clients {
		go func() {
			var errs []error
			for {
				select {
				case <-end:
					all <- errs
					return
				default:
				}
				if err := ask(network, address(i)); err != nil {
					errs = append(errs, err)
				}
			}
		}()
	}
	return func() (errs []error) {
		close(end)
		for range clients {
			errs = append(errs, <-all...)
		}
		return errs
	}
}

func ask(network, address string) error {
	conn, err := net.DialTimeout(network, address, deadline)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.ReadAtLeast(conn, make([]byte, 1), 1)
	return err
}
