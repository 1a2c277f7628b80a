package tree

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// signalMembers runs a worker's script in a session of its own until it has written a
// line, suspends what it has started, and ends that by one Signal, once while its main
// process lives and once when that is gone. It prints how many there were.
func signalMembers(script string) error {
	if err := BecomeSubreaper(); err != nil {
		return err
	}
	sibling, err := launch("a/web.2", "sleep 1000 & echo; wait")
	if err != nil {
		return err
	}
	alive := func(pid int) bool { return pid == sibling.Process.Pid }
	for _, lives := range []bool{true, false} {
		cmd, err := launch("a/web.1", script)
		if err != nil {
			return err
		}
		pid := cmd.Process.Pid
		p, err := readStat(pid)
		if err != nil {
			return err
		}
		w := Worker{Pid: pid, Name: "a/web.1", Generation: 7, Start: p.Start}
		if !lives {
			cmd.Process.Kill()
			cmd.Wait()
		}
		members, err := Members(os.Getpid(), w, alive)
		if err != nil {
			return err
		}
		for _, m := range members {
			m.send(unix.SIGSTOP)
		}
		if err := Signal(os.Getpid(), w, alive, []unix.Signal{unix.SIGTERM, unix.SIGCONT}); err != nil {
			return err
		}
		for _, m := range members {
			awaitEnd([]leftover{{m, nil}}, time.Now().Add(time.Hour))
		}
		now, err := readStat(pid)
		fmt.Println(len(members), "main lives:", err == nil && !now.Zombie)
		cmd.Process.Kill()
		cmd.Wait()
	}
	now, err := readStat(sibling.Process.Pid)
	fmt.Println("sibling lives:", err == nil && !now.Zombie)
	_, err = KillAll(os.Getpid(), nobody)
	return err
}

// TestSignalMembers: what the main process has started is signalled wherever it went,
// that process itself and other workers are not.
func TestSignalMembers(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   int
	}{
		"nothing":                          {"echo; exec sleep 1000", 0},
		"child":                            {"sleep 1000 & echo; while :; do wait; kill -STOP $$; done", 1},
		"session":                          {"setsid sleep 1000 & echo; kill -STOP $$", 1},
		"daemon":                           {"(setsid sh -c 'sleep 1000 & echo; wait' &); kill -STOP $$", 2},
		"other environment in the session": {"env -i /bin/sh -c '/bin/sleep 1000 & echo; wait' & kill -STOP $$", 2},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "members", c.script)
			cmd.Stderr = os.Stderr
			got, err := cmd.Output()
			want := fmt.Sprintf("%d main lives: true\n%[1]d main lives: false\nsibling lives: true\n", c.want)
			if err != nil || string(got) != want {
				t.Errorf("%v\n%swant\n%s", err, got, want)
			}
		})
	}
}
