package tree

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// straysUser is whose the strays of the test are: root's are none where supd is root.
func straysUser() int {
	if os.Geteuid() == 0 {
		return 65534
	}
	return os.Geteuid()
}

// launchAs is launch as another user.
func launchAs(uid int, name, script string) (*exec.Cmd, error) {
	return start(name, script, &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(os.Getgid()), NoSetGroups: true}})
}

// background starts a daemon that nothing tells from others, with a child.
const background = "(env -i /usr/bin/setsid /bin/sh -c '/bin/sleep 1000 & echo; wait' &); kill -STOP $$"

// findStrays prints what is found of two workers: one has left a daemon and is dead, the
// other lives. A task and a command of supd's own session are there, too.
func findStrays() error {
	if err := BecomeSubreaper(); err != nil {
		return err
	}
	uid, self := straysUser(), os.Getpid()
	lives, err := launchAs(uid, "a/web.2", "echo; exec sleep 1000")
	if err != nil {
		return err
	}
	task, err := launchAs(uid, "", "echo; exec sleep 1000")
	if err != nil {
		return err
	}
	own := exec.Command("/bin/sleep", "1000")
	if err := own.Start(); err != nil {
		return err
	}
	w, err := launchAs(uid, "a/web.1", background)
	if err != nil {
		return err
	}
	w.Process.Kill()
	w.Wait()
	alive := func(pid int) bool { return pid == lives.Process.Pid }
	isTask := func(pid int) bool { return pid == task.Process.Pid }
	known := func(pid int) bool { return alive(pid) || isTask(pid) }
	dead := []Worker{{Pid: w.Process.Pid, Name: "a/web.1", Generation: 7}}
	for range 2 { // before the strays are killed, and after that
		found, err := Sweep(self, dead, alive, isTask)
		if err != nil {
			return err
		}
		fmt.Printf("killed %d searched %v\n", len(found.Killed), found.Searched)
		for _, s := range found.Strays {
			fmt.Printf("uid %v count %d %s\n", s.UID == uid, s.Count, strings.TrimRight(fmt.Sprint(s.Some), "0123456789)]"))
		}
		if others, err := KillStrays(self, uid+1, known); err != nil || len(others) > 0 {
			return fmt.Errorf("killed %v of another user: %w", others, err)
		}
		killed, err := KillStrays(self, uid, known)
		if err != nil {
			return err
		}
		fmt.Println("killed", len(killed))
	}
	for _, cmd := range []*exec.Cmd{lives, task, own} {
		if p, err := readStat(cmd.Process.Pid); err != nil || p.Zombie {
			return fmt.Errorf("%v is dead: %w", cmd, err)
		}
	}
	_, err = KillAll(self, nobody)
	return err
}

// TestStrays: a daemon that has left everything behind by which it could be told is
// found, named and killed with its child; others of its user are not.
func TestStrays(t *testing.T) {
	cmd := exec.Command(os.Args[0], "strays")
	cmd.Stderr = os.Stderr
	got, err := cmd.Output()
	want := `killed 0 searched true
uid true count 1 ["sh" (pid 
killed 2
killed 0 searched true
killed 0
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%swant\n%s", err, got, want)
	}
}

// TestStraysOfNobody: who is told apart by what /proc says.
func TestStraysOfNobody(t *testing.T) {
	self := os.Getpid()
	session, err := unix.Getsid(self)
	if err != nil {
		t.Fatal(err)
	}
	p := Process{Pid: self, Parent: self, Session: session + 1} // whose uid can be read
	for name, change := range map[string]func(*Process){
		"child of another":       func(p *Process) { p.Parent++ },
		"supd's own session":     func(p *Process) { p.Session = session },
		"from another namespace": func(p *Process) { p.Session = 0 },
		"dead":                   func(p *Process) { p.Zombie = true },
		"gone":                   func(p *Process) { p.Pid = 1 << 30 },
	} {
		other := p
		change(&other)
		if _, is := (family{}).stray(other, self, nobody); is {
			t.Errorf("%s: a stray", name)
		}
	}
	if _, is := (family{}).stray(p, self, nobody); is != (os.Geteuid() != 0) {
		t.Errorf("a child of supd's own user: a stray: %v", is)
	}
	if _, is := (family{}).stray(p, self, func(int) bool { return true }); is {
		t.Error("one that supd has launched: a stray")
	}
	if got := (Named{7, "a\x1b\n"}).String(); got != `"a\x1b\n" (pid 7)` {
		t.Error(got)
	}
}
