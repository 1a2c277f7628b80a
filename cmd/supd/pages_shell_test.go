package main_test

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const typedFile = "/srv/typed" // what is in the editor

// shell is an interactive user's, without its prompt.
type shell struct {
	c     *container
	user  string
	home  string
	in    io.Writer
	out   *bufio.Reader
	count int
}

func (c *container) shell(user, home string) *shell {
	c.t.Helper()
	enter := []string{fmt.Sprintf("--target=%d", c.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wdns=/", "--",
		"setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "env", "-i", "--chdir=" + home,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + home, "USER=" + user, "NO_COLOR=1", "LC_ALL=C.UTF-8", "SYSTEMD_PAGER=",
		"bash", "--norc"}
	cmd := exec.Command("nsenter", enter...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	in, err := cmd.StdinPipe()
	check(c.t, err)
	out, err := cmd.StdoutPipe()
	check(c.t, err)
	cmd.Stderr = cmd.Stdout
	check(c.t, cmd.Start())
	c.t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	return &shell{c: c, user: user, home: home, in: in, out: bufio.NewReader(out)}
}

// run types a command and gives what is printed until it has ended. $? is the command's
// for the next one.
func (s *shell) run(command string) (printed string, code int) {
	s.c.t.Helper()
	s.count++
	mark := "--end-" + strconv.Itoa(s.count) + "--"
	typed := fmt.Sprintf("{ %s\n} </dev/null\ncode=$?; printf '\\n%s %%d\\n' $code; (exit $code)\n", command, mark)
	if _, err := io.WriteString(s.in, typed); err != nil {
		s.c.t.Fatalf("%s: %v", command, err)
	}
	hung := time.AfterFunc(readersPatience, func() { s.c.run("pkill", "-KILL", "-x", "bash") })
	defer hung.Stop()
	var text strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.c.t.Fatalf("%s: the shell has ended: %v\n%s", command, err, text.String()+line)
		}
		if n, err := fmt.Sscanf(line, mark+" %d", &code); n == 1 && err == nil {
			break
		}
		text.WriteString(line)
	}
	// The line break before the mark is not the command's.
	printed = strings.TrimSuffix(text.String(), "\n")
	if printed != "" && !strings.HasSuffix(printed, "\n") {
		printed += "\n"
	}
	return printed, code
}

// write makes a file as the user would, with an editor, which makes no directories.
func (s *shell) write(path, text string) {
	s.c.t.Helper()
	mode := "644"
	if strings.HasPrefix(text, "#!") {
		mode = "755"
	}
	s.c.write(typedFile, text)
	if got, code := s.run(fmt.Sprintf("cp --no-preserve=mode %s %s && chmod %s %[2]s", typedFile, path, mode)); code != 0 {
		s.c.t.Errorf("%s: %s", path, got)
	}
}
