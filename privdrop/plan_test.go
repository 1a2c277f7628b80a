package privdrop

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// rootHost is a root process on Linux 5.9 or later, ordinary one of uid 1000.
func rootHost() host {
	return host{lastCap: 40, effective: 1<<41 - 1, permitted: 1<<41 - 1, pid: fmt.Sprint(unix.Getpid()), keyrings: true}
}

func ordinaryHost() host {
	return host{uid: 1000, gid: 1000, lastCap: 40, pid: fmt.Sprint(unix.Getpid()), keyrings: true}
}

func whois() *Account {
	return &Account{Name: "whois", UID: 998, GID: 997, Groups: []int{33, 104}, Home: "/srv/whois", Shell: "/usr/sbin/nologin"}
}

func fullSpec(dir string) Spec {
	umask, nice, oom := Umask(0o027), -5, -100
	return Spec{
		Argv: []string{"/bin/sh", "-c", "exec gunicorn"}, Env: []string{"PATH=/usr/bin", "DATABASE_URL=postgres://whois:hunter2@db/"},
		Dir: dir, Account: whois(), Resources: Resources{
			Umask: &umask, Nice: &nice, OOMScoreAdjust: &oom, CPUAffinity: []int{0, 2},
			Limits: Limits{"nofile": {1024, 4096}, "core": {0, 0}, "memlock": {Unlimited, Unlimited}},
		},
		Capabilities: []string{"setuid", "net_bind_service"},
		Files:        []int{7, 8, 8, 9, 4, 3}, ListenNames: []string{"web", "admin", "probe"},
		Watchdog: 30 * time.Second, Session: true, CgroupFD: 11,
	}
}

func TestPlan(t *testing.T) {
	raised := rootHost()
	raised.nofile = &Limit{1024, 524288}
	weak := rootHost()
	weak.effective = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	weak.permitted = weak.effective
	for _, test := range []struct {
		name string
		host host
		spec Spec
	}{
		{"full", rootHost(), fullSpec("/")},
		{"user", raised, Spec{Argv: []string{"/bin/sh"}, Account: whois(), Dir: "/"}},
		{"allow_root", rootHost(), Spec{Argv: []string{"/bin/sh"}, Account: &Account{Name: "root"}, AllowRoot: true}},
		{"without_setpcap", weak, Spec{Argv: []string{"/bin/sh"}, Account: whois()}},
		{"ordinary_user", ordinaryHost(), Spec{Argv: []string{"/bin/sh"}, Account: &Account{Name: "me", UID: 1000, GID: 1000, Groups: []int{27}}}},
		{"mounts", rootHost(), Spec{Argv: []string{"/bin/sh"}, Account: whois(), Dir: "/", Mounts: []Mount{{From: "/usr", To: "/tmp"}}}},
		{"keep_privileges", rootHost(), Spec{Argv: []string{"/bin/sh"}, KeepPrivs: true}},
		{"keep_privileges_user", rootHost(), Spec{Argv: []string{"/bin/sh"}, Account: whois(), KeepPrivs: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan, err := test.spec.plan(test.host)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := plan.Explain(&text); err != nil {
				t.Fatal(err)
			}
			golden(t, test.name, text.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// What Explain writes is what is performed: every call is in exactly one line.
func TestExplainCoversTheList(t *testing.T) {
	plan, err := fullSpec("/").plan(rootHost())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	plan.Explain(&text)
	next := 1
	for _, m := range regexp.MustCompile(`(?m)^ *(\d+)(?:-(\d+))?  \S`).FindAllStringSubmatch(text.String(), -1) {
		var from, to int
		fmt.Sscan(m[1], &from)
		if fmt.Sscan(m[2], &to); m[2] == "" {
			to = from
		}
		if from != next {
			t.Errorf("line of call %s, want %d", m[1], next)
		}
		next = to + 1
	}
	if next-1 != len(plan.list) {
		t.Errorf("%d calls in lines, %d in the list", next-1, len(plan.list))
	}
	if strings.Contains(text.String(), "hunter2") {
		t.Error("shows the value of an environment variable")
	}
}

func TestPlanRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "", 0o644)
	moved := file("moved", "#! /opt/gone/bin/python3 -I\n", 0o755)
	windows := file("windows", "#!/bin/sh\r\necho\r\n", 0o755)
	byEnv := file("by-env", "#!/usr/bin/env sh\r\n", 0o755)
	options := file("options", "#!/usr/bin/python3 -E\r\n", 0o755)
	marked := file("marked", "\ufeff#!/bin/sh\n", 0o755)
	cut := file("cut", "#!/bin/"+strings.Repeat("x", 300)+"\n", 0o755)
	nobody := file("nobody", "#! \n", 0o755)
	const carriage = ` ends in a carriage return, as in Windows, which is part of its last word; take it off with sed -i 's/\r$//'`
	most := 32 * os.Getpagesize()
	long := strings.Repeat("x", most)
	var wide []string
	for i := range 5 {
		wide = append(wide, fmt.Sprintf("V%d=%s", i, long[:most/2]))
	}
	bad := func(change func(*Account)) *Account {
		a := whois()
		change(a)
		return a
	}
	seven := 20
	for _, test := range []struct {
		name string
		spec Spec
		host host
		want string
		is   error
	}{
		{"no command", Spec{Argv: []string{}}, rootHost(), "command: empty", nil},
		{"missing", Spec{Argv: []string{"/nonexistent"}}, rootHost(), "/nonexistent: command not found", ErrNotFound},
		{"not in PATH", Spec{Argv: []string{"gunicorn"}, Env: []string{"PATH=/nowhere:" + dir}}, rootHost(), "gunicorn: command not found in PATH /nowhere:" + dir, ErrNotFound},
		{"not executable", Spec{Argv: []string{plain}}, rootHost(), plain + ": command not executable: no execute permission", ErrNotExecutable},
		{"not executable in PATH", Spec{Argv: []string{"plain"}, Env: []string{"PATH=" + dir}}, rootHost(), plain + ": command not executable: no execute permission", ErrNotExecutable},
		{"directory as command", Spec{Argv: []string{"/tmp"}}, rootHost(), "/tmp: command not executable: is a directory", ErrNotExecutable},
		{"interpreter", Spec{Argv: []string{moved}}, rootHost(), moved + ": command not executable: its interpreter /opt/gone/bin/python3 does not exist; install it, or make the virtual environment anew where that was moved", ErrNotExecutable},
		{"interpreter of Windows", Spec{Argv: []string{windows}}, rootHost(), windows + ": command not executable: its line #!/bin/sh" + carriage, ErrNotExecutable},
		{"interpreter of Windows, by env", Spec{Argv: []string{byEnv}}, rootHost(), byEnv + ": command not executable: its line #!/usr/bin/env sh" + carriage, ErrNotExecutable},
		{"options of Windows", Spec{Argv: []string{options}}, rootHost(), options + ": command not executable: its line #!/usr/bin/python3 -E" + carriage, ErrNotExecutable},
		{"byte order mark", Spec{Argv: []string{marked}}, rootHost(), marked + `: command not executable: it begins with a byte order mark, as in Windows, before its #!; take it off with sed -i '1s/^\xEF\xBB\xBF//'`, ErrNotExecutable},
		{"long interpreter", Spec{Argv: []string{cut}}, rootHost(), cut + ": command not executable: its line #! is longer than the 256 bytes that the kernel reads, so that the interpreter's name is cut off; install it at a shorter path", ErrNotExecutable},
		{"no interpreter", Spec{Argv: []string{nobody}}, rootHost(), nobody + ": command not executable: its line #! names no interpreter; write one, such as #!/bin/sh", ErrNotExecutable},
		{"long argument", Spec{Argv: []string{"/bin/sh", long}}, rootHost(), fmt.Sprintf("command: argument 1 has %d bytes, and execve(2) takes less than %[1]d in one argument or variable; put it into a file that the program reads", most), nil},
		{"long variable", Spec{Env: []string{"SECRET=" + long}}, rootHost(), fmt.Sprintf("environment: SECRET has %d bytes, and execve(2) takes less than %d in one argument or variable; put it into a file that the program reads", most+7, most), nil},
		{"much in all", Spec{Env: wide, Resources: Resources{Limits: Limits{"stack": {1 << 20, 1 << 20}}}}, rootHost(), fmt.Sprintf("arguments and environment have %d bytes together, and execve(2) takes 262144, a quarter of limits.stack at most; put what is long into files", 2*(len("/bin/sh")+1)+8+5*(most/2+12)), nil},
		{"directory", Spec{Dir: "/nonexistent"}, rootHost(), "directory /nonexistent: no such file or directory", unix.ENOENT},
		{"file as directory", Spec{Dir: plain}, rootHost(), "directory " + plain + ": not a directory", nil},
		{"root", Spec{Account: &Account{Name: "root"}}, rootHost(), "user root: refused (give the process a user of its own, or allow root)", nil},
		{"group root", Spec{Account: bad(func(a *Account) { a.GID = 0 })}, rootHost(), "user whois: group root is refused (give it another group, or allow root)", nil},
		{"groups root", Spec{Account: bad(func(a *Account) { a.Groups = []int{4, 0} })}, rootHost(), "user whois: supplementary group root is refused (remove it, or allow root)", nil},
		{"uid -1", Spec{Account: bad(func(a *Account) { a.UID = noID })}, rootHost(), "user whois: 4294967295 is no uid or gid", nil},
		{"gid -1", Spec{Account: bad(func(a *Account) { a.GID = -1 })}, rootHost(), "user whois: -1 is no uid or gid", nil},
		{"other user", Spec{Account: whois()}, ordinaryHost(), "user whois (uid 998, gid 997): only root can change to it; this process has uid 1000, gid 1000", nil},
		{"unknown capability", Spec{Capabilities: []string{"net_bind"}}, rootHost(), `capability "net_bind": unknown, want a name of capabilities(7) in lower case without "cap_"`, nil},
		{"capability not had", Spec{Capabilities: []string{"net_raw"}}, ordinaryHost(), "capability net_raw: this process does not have it itself", nil},
		{"capability of later kernels", Spec{Capabilities: []string{"bpf"}}, host{lastCap: 37}, "capability bpf: this kernel does not have it", nil},
		{"unknown limit", Spec{Resources: Resources{Limits: Limits{"files": {1, 1}}}}, rootHost(), `limit "files": unknown, want one of as, core, fsize, memlock, nofile, nproc, stack`, nil},
		{"limit upside down", Spec{Resources: Resources{Limits: Limits{"nofile": {2, 1}}}}, rootHost(), "limit nofile: the soft limit is above the hard one", nil},
		{"nice", Spec{Resources: Resources{Nice: &seven}}, rootHost(), "nice 20: want -20 to 19", nil},
		{"files", Spec{Files: []int{0}}, rootHost(), "files: 1 descriptors, want at least standard input, output and error", nil},
		{"listen names", Spec{Files: []int{0, 1, 2, 3}, ListenNames: []string{"a", "b"}}, rootHost(), "listen names: 2 for 1 descriptors after standard error", nil},
		{"listen name", Spec{Files: []int{0, 1, 2, 3}, ListenNames: []string{"a:b"}}, rootHost(), `listen name "a:b": contains the separator of LISTEN_FDNAMES`, nil},
		{"NUL in an argument", Spec{Argv: []string{"/bin/sh", "a\x00b"}}, rootHost(), "command: argument 1 contains a NUL byte", nil},
		{"NUL in the environment", Spec{Env: []string{"SECRET=a\x00b"}}, rootHost(), "environment: SECRET contains a NUL byte", nil},
		{"other /proc", Spec{Watchdog: time.Second}, host{pid: "1"}, fmt.Sprintf(`/proc/self is "1", but this is pid %d: LISTEN_PID and WATCHDOG_PID need the /proc of this pid namespace`, unix.Getpid()), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.spec.Argv == nil {
				test.spec.Argv = []string{"/bin/sh"}
			}
			_, err := test.spec.plan(test.host)
			if err == nil || err.Error() != test.want {
				t.Fatalf("got  %v\nwant %s", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is no %v", err, test.is)
			}
		})
	}
}

// A command in PATH that the user may not execute is passed over, as execvp(3)
// does for the user.
func TestFindCommandAsUser(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"private/run": 0o700, "public/run": 0o755, "group/run": 0o710} {
		path := filepath.Join(dir, name)
		os.Mkdir(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	me := &Account{UID: unix.Getuid(), GID: 997}
	mine := &Account{UID: 998, GID: unix.Getgid()}
	for _, test := range []struct {
		name    string
		account *Account
		path    string
		want    string
	}{
		{"owner", me, "private:public", "private/run"},
		{"other", whois(), "private:public", "public/run"},
		{"group", mine, "private:group:public", "group/run"},
		{"not in the group", whois(), "group:public", "public/run"},
		{"only for others", whois(), "private", "private/run"},
		{"anybody", nil, "private:public", "private/run"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := ""
			for dirname := range strings.SplitSeq(test.path, ":") {
				path += ":" + filepath.Join(dir, dirname)
			}
			got, err := View(nil).findCommand("run", "", []string{"PATH=" + path[1:]}, test.account)
			if err != nil || got != filepath.Join(dir, test.want) {
				t.Errorf("got %s, %v, want %s", got, err, test.want)
			}
		})
	}
	if got, err := View(nil).findCommand("./public/run", dir, nil, nil); err != nil || got != "./public/run" {
		t.Errorf("relative: %s, %v", got, err)
	}
}
