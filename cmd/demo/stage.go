package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	workers   = 3
	demoUser  = "supd-demo"
	patience  = 20 * time.Second // for anything that should happen at once
	addressAt = "127.0.0.80:80"  // a port below 1024, on an address that nobody uses
)

// stage is one whole supd in a temporary directory.
type stage struct {
	dir     string
	bin     string // of supd and supctl
	address string // where the application is served
	user    string // the application's; "" is this very user
	created bool   // the user is ours to delete

	daemon *exec.Cmd
	exited chan struct{} // closed when the daemon has ended
	hello  *net.UnixConn
	alive  chan string // names of workers that have reached their main
}

// newStage makes the directory, the user and the two files. The program itself is
// copied, since the checkout may be in a place that no other user can enter. The
// directory is in /tmp, since TMPDIR may be such a place too, or too long for the
// path of a socket.
func newStage(self, bin string) (*stage, error) {
	dir, err := os.MkdirTemp("/tmp", "supd-demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, bin: bin, exited: make(chan struct{}), alive: make(chan string, 100)}
	if err := s.furnish(self); err != nil {
		return nil, errors.Join(err, s.teardown())
	}
	return s, nil
}

func (s *stage) furnish(self string) (err error) {
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	if err := copyProgram(self, filepath.Join(s.dir, "demo")); err != nil {
		return err
	}
	if err := s.listenForHello(); err != nil {
		return err
	}
	s.chooseUser()
	if s.address, err = freeAddress(); err != nil {
		return err
	}
	return s.writeFiles()
}

func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Chmod(0o755), dst.Close())
}

func (s *stage) listenForHello() error {
	path := filepath.Join(s.dir, "hello")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	s.hello = c
	go s.collectHellos()
	return os.Chmod(path, 0o666)
}

// collectHellos reads all the time, since a worker waits while the socket is full.
// It ends when the socket is closed.
func (s *stage) collectHellos() {
	name := make([]byte, 128)
	for {
		n, err := s.hello.Read(name)
		if err != nil {
			return
		}
		select {
		case s.alive <- string(name[:n]):
		default: // nobody is interested in so many
		}
	}
}

// chooseUser makes a user for the application if it can, as an operator would. The
// user "nobody" is the second choice, since other programs use it too.
func (s *stage) chooseUser() {
	if os.Geteuid() != 0 {
		return
	}
	if _, err := user.Lookup(demoUser); err == nil {
		s.user = demoUser
		return
	}
	out, err := exec.Command("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", demoUser).CombinedOutput()
	if err != nil {
		fmt.Printf("no user %s (useradd: %s), so the application runs as nobody\n", demoUser, strings.TrimSpace(string(out)+" "+err.Error()))
		s.user = "nobody"
		return
	}
	s.user, s.created = demoUser, true
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", addressAt)
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

const daemonFile = `[daemon]
apps    = "apps"
state   = "state"
runtime = "run"
logs    = "logs"

[control]
socket = "run/supd.sock"

[metrics]
listen = ""
`

const appFile = `%s
[socket.web]
listen = "tcp:%s"

[process.web]
command = "%s app"
count   = %d
sockets = ["web"]
ready   = { http = "/healthz" }
stop    = [["TERM", "10s"]]
backoff = { reset = "1s" }
env     = { %s = "%s" }
`

func (s *stage) writeFiles() error {
	apps := filepath.Join(s.dir, "apps")
	if err := os.Mkdir(apps, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "supd.toml"), []byte(daemonFile), 0o644); err != nil {
		return err
	}
	owner := "# no user: supd is not root here, so that its workers have its own\n"
	if s.user != "" {
		owner = fmt.Sprintf("user = %q\n", s.user)
	}
	text := fmt.Sprintf(appFile, owner, s.address, filepath.Join(s.dir, "demo"), workers, helloVariable, filepath.Join(s.dir, "hello"))
	return os.WriteFile(s.appFile(), []byte(text), 0o644)
}

func (s *stage) appFile() string { return filepath.Join(s.dir, "apps", "demo.toml") }
func (s *stage) socket() string  { return filepath.Join(s.dir, "run", "supd.sock") }
func (s *stage) log() string     { return filepath.Join(s.dir, "supd.log") }

// startDaemon starts supd in a process group of its own, so that a Ctrl-C in the
// terminal reaches only this program, which then stops supd.
func (s *stage) startDaemon() error {
	out, err := os.Create(s.log())
	if err != nil {
		return err
	}
	defer out.Close()
	s.daemon = exec.Command(filepath.Join(s.bin, "supd"), "--config", filepath.Join(s.dir, "supd.toml"))
	s.daemon.Stdout, s.daemon.Stderr = out, out
	s.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.daemon.Start(); err != nil {
		s.daemon = nil
		return err
	}
	go func() {
		defer close(s.exited)
		s.daemon.Wait()
	}()
	return nil
}

// supctl runs one command, until ctx ends.
func (s *stage) supctl(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "supctl"), args...)
	cmd.Env = append(os.Environ(), "SUPD_SOCKET="+s.socket(), "NO_COLOR=1")
	return cmd.CombinedOutput()
}

// teardown ends and removes whatever there is. It can be called at any point.
func (s *stage) teardown() error {
	var errs []error
	if s.daemon != nil {
		errs = append(errs, s.stopDaemon())
	}
	if s.hello != nil {
		s.hello.Close()
	}
	if s.created {
		if out, err := exec.Command("userdel", s.user).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("userdel %s: %w: %s", s.user, err, out))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// stopDaemon asks supd to end, which ends its workers first.
func (s *stage) stopDaemon() error {
	s.daemon.Process.Signal(unix.SIGTERM)
	select {
	case <-s.exited:
		return nil
	case <-time.After(patience):
	}
	s.daemon.Process.Kill()
	<-s.exited
	return fmt.Errorf("supd did not end within %s of SIGTERM and was killed; its workers may still run", patience)
}
