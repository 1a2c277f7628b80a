package privdrop

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stopper stops everything of its uid but itself, for ever.
func stopper() int {
	for {
		unix.Kill(-1, unix.SIGSTOP)
	}
}

// A child that is stopped before it has executed the command is killed, and others
// are launched meanwhile.
func TestStartOfAStoppedChild(t *testing.T) {
	account := nobody(t)
	plan, err := Spec{Argv: []string{"/bin/sh"}, Account: account}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	plan.patience = time.Second
	last := len(plan.list) - 1
	var stop calls
	self := stop.add("getpid", "", unix.SYS_GETPID)
	stop.feed(self, stop.add("kill", "", unix.SYS_KILL, 0, uintptr(unix.SIGSTOP)))
	plan.list = append(plan.list[:last:last], append(stop.list, plan.list[last])...)
	failed := make(chan error)
	go func() {
		_, err := plan.Start()
		failed <- err
	}()
	_, other := launched(t, Spec{Account: account}, (*Plan).Start)
	if other == nil {
		t.Error("no other launch meanwhile")
	}
	err = <-failed
	var wrong *Error
	if !errors.As(err, &wrong) || wrong.Call != "launch" || !strings.Contains(err.Error(), "not executed within 1s, for some process of its user has stopped it") {
		t.Errorf("got %v", err)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: pid %d, %v", pid, err)
	}
}

// A process that stops all others of its uid keeps no Start from returning.
func TestStartBesideAStopper(t *testing.T) {
	needRoot(t)
	const uid = 64391 // nobody else's
	account := &Account{Name: "stopper", UID: uid, GID: uid, Home: "/", Shell: "/usr/sbin/nologin"}
	null := devNull(t)
	start := func(patience time.Duration, argv ...string) (*Process, error) {
		plan, err := Spec{Argv: argv, Account: account, Files: []int{null, null, null}}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		plan.patience = patience
		return plan.Start()
	}
	attacker, err := start(launchTime, command(), "worker", "stopper")
	if err != nil {
		t.Fatal(err)
	}
	end := func(p *Process) {
		p.Signal(unix.SIGKILL)
		p.reap()
		p.Close()
	}
	defer end(attacker)
	stopped := 0
	for range 40 {
		p, err := start(50*time.Millisecond, "/bin/sleep", "1000")
		if err != nil {
			stopped++
			continue
		}
		end(p)
	}
	t.Logf("%d of 40 were stopped before they had executed the command", stopped)
}
