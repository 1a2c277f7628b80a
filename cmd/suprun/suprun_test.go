package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The test binary is also suprun, for the tests that need its process.
func TestMain(m *testing.M) {
	switch os.Getenv("SUPRUN_TEST") {
	case "1":
		os.Unsetenv("SUPRUN_TEST")
		main()
	case "type":
		os.Exit(typeIntoTerminal())
	}
	os.Exit(m.Run())
}

// suprun runs the command line and returns its output and exit status.
func suprun(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "SUPRUN_TEST=1", "TERM=vt100", "SECRET=hunter2", "LANG=C.UTF-8")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("SUPD_TEST_REQUIRE") == "1" {
		t.Fatal("needs root, and SUPD_TEST_REQUIRE=1")
	}
	t.Skip("needs root: it changes users")
}

func TestCommandLineErrors(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args string
		code int
		want string // on standard error
	}{
		{"", 2, "suprun: no command"},
		{"--", 2, "suprun: no command"},
		{"--usr=x -- true", 2, "suprun: unknown option --usr=x"},
		{"-u x true", 2, "suprun: unknown option -u"},
		{"-user x true", 2, "suprun: unknown option -user"},
		{"--user", 2, "suprun: --user needs a value"},
		{"--user= true", 2, "suprun: --user: empty"},
		{"--session=yes true", 2, "suprun: --session takes no value"},
		{"--session --no-session true", 2, "suprun: --session and --no-session exclude each other"},
		{"--group x true", 2, "suprun: --group and --groups need --user"},
		{"--user nobody --cap @container true", 125, "suprun: capability @container: is for root, who changes to other users; name those that the command needs"},
		{"--cap net true", 2, `suprun: --cap: capability "net": unknown, want a name of capabilities(7) in lower case without "cap_"`},
		{"--limit nofile true", 2, `suprun: --limit: "nofile" is not NAME=LIMIT`},
		{"--limit nofile=x true", 2, `suprun: --limit: limit "x": want a number, a size such as "512MiB", or "unlimited"`},
		{"--umask 9 true", 2, `suprun: --umask: umask "9": want octal digits from 0000 to 0777`},
		{"--nice x true", 2, `suprun: --nice: "x" is not a number`},
		{"--cpu-affinity 2-1 true", 2, `suprun: --cpu-affinity: "2-1" is no range of CPU numbers`},
		{"--env =x true", 2, `suprun: --env: "=x" is not NAME=VALUE`},
		{"--listen unix:/x,mod=1 true", 2, `suprun: --listen: unknown key "mod", want name, user, group, mode or backlog`},
		{"--listen unix:/x,mode=999 true", 2, `suprun: --listen: mode "999" is not a number`},
		{"--limit files=1 true", 125, `suprun: limit "files": unknown, want one of as, core, fsize, memlock, nofile, nproc, stack`},
		{"--user whios true", 125, `suprun: user "whios" does not exist (create it, or set another user)`},
		{"--directory /nonexistent true", 125, "suprun: directory /nonexistent: no such file or directory"},
		{"--limit nofile=99999999999 true", 125, "suprun: setrlimit nofile: operation not permitted"},
		{"/nonexistent", 127, "suprun: /nonexistent: command not found"},
		{"no-such-command-anywhere", 127, "suprun: no-such-command-anywhere: command not found in PATH " + defaultPath},
		{plain, 126, "suprun: " + plain + ": command not executable: no execute permission"},
		{"/", 126, "suprun: /: command not executable: is a directory"},
	} {
		_, stderr, code := suprun(t, strings.Fields(test.args)...)
		if first, _, _ := strings.Cut(stderr, "\n"); code != test.code || first != test.want {
			t.Errorf("suprun %s: status %d, %q\nwant %d, %q", test.args, code, first, test.code, test.want)
		}
	}
}

func TestRootNeedsAllowRoot(t *testing.T) {
	needRoot(t)
	_, stderr, code := suprun(t, "--user", "root", "true")
	if code != 125 || stderr != "suprun: user root: refused (give the process a user of its own, or allow root)\n" {
		t.Errorf("status %d, %q", code, stderr)
	}
	if _, stderr, code := suprun(t, "--user", "root", "--allow-root", "true"); code != 0 {
		t.Errorf("status %d, %q", code, stderr)
	}
}

func TestExitStatusIsTheCommands(t *testing.T) {
	if _, _, code := suprun(t, "--", "sh", "-c", "exit 42"); code != 42 {
		t.Errorf("status %d, want 42", code)
	}
}

func TestFlagsEndAtTheCommand(t *testing.T) {
	stdout, stderr, _ := suprun(t, "--env=A=1", "echo", "--env=B=2", "--", "--help")
	if stdout != "--env=B=2 -- --help\n" {
		t.Errorf("got %q, %q", stdout, stderr)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("USER", "me")
	t.Setenv("LOGNAME", "me")
	t.Setenv("SHELL", "/bin/sh")
	stdout, stderr, code := suprun(t, "--env", "A=x=y", "--env", "A=z", "--env-inherit", "LANG,NOT_SET", "--", "env")
	if code != 0 {
		t.Fatal(stderr)
	}
	want := []string{"HOME=/home/me", "USER=me", "LOGNAME=me", "SHELL=/bin/sh", "PATH=" + defaultPath, "TERM=vt100", "LANG=C.UTF-8", "A=z"}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(stdout), "\n")); diff != "" {
		t.Error(diff)
	}
}

// All options at once, seen by a command that is no Go program.
func TestLaunch(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "web.sock")
	// ls does not write to a pipe: the shell would have an end of it among its own.
	const script = `
id -u; id -g; umask; ulimit -Sn; ulimit -Hn; ulimit -c; pwd
grep -E '^(Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|SigBlk|SigIgn|Cpus_allowed_list):' /proc/self/status | tr -s ' \t' ' '
echo $HOME $USER $LOGNAME $SHELL
test "$LISTEN_PID" = $$ && echo $LISTEN_FDS $LISTEN_FDNAMES
cat /proc/self/oom_score_adj; nice
cut -d' ' -f5,6 /proc/$$/stat | { read group session; test $session = $$ && echo leader; }
ls -m /proc/$$/fd
readlink /proc/$$/fd/3 /proc/$$/fd/4 | tr -d '[:digit:]'`
	stdout, stderr, code := suprun(t,
		"--user", "65534", "--group", "65533", "--groups", "33,44", "--cap", "net_raw,CAP_NET_BIND_SERVICE", "--umask", "0077",
		"--limit", "nofile=100:200", "--limit", "core=0", "--nice", "3", "--oom-score-adjust", "77", "--cpu-affinity", "0",
		"--directory", "/", "--session", "--env", "HOME=/elsewhere", "--env", "USER=me", "--env", "LOGNAME=me", "--env", "SHELL=/bin/false",
		"--listen", "unix:"+path+",name=web,mode=0600", "--listen", "tcp:127.0.0.1:0",
		"--", "sh", "-c", script)
	want := `65534
65533
0077
100
200
0
/
Groups: 33 44` + " " + `
CapInh: 0000000000002400
CapPrm: 0000000000002400
CapEff: 0000000000002400
CapBnd: 0000000000002400
CapAmb: 0000000000002400
NoNewPrivs: 1
Cpus_allowed_list: 0
SigBlk: 0000000000000000
SigIgn: 0000000000000000
/elsewhere me me /bin/false
2 web:unknown
77
3
leader
0, 1, 2, 3, 4
socket:[]
socket:[]
`
	if code != 0 {
		t.Fatalf("status %d: %s", code, stderr)
	}
	if diff := cmp.Diff(sorted(want), sorted(stdout)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", info, err)
	}
}

// sorted: the order of the lines in /proc/self/status is the kernel's.
func sorted(s string) map[string]int {
	lines := map[string]int{}
	for line := range strings.SplitSeq(s, "\n") {
		lines[line]++
	}
	return lines
}

// A command that cannot be run leaves no socket behind.
func TestFailureRemovesTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	if _, _, code := suprun(t, "--listen", "unix:"+path, "--", "/nonexistent"); code != 127 {
		t.Errorf("status %d", code)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket is left: %v", err)
	}
}

func TestExplain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	stdout, stderr, code := suprun(t, "--explain", "--env", "PASSWORD=hunter2", "--listen", "unix:"+path+",name=web", "--limit", "core=0", "--", "/bin/sh")
	if code != 0 {
		t.Fatal(stderr)
	}
	for _, want := range []string{"prlimit64(0, RLIMIT_CORE, 0)\n", "fcntl(3, F_SETFD, 0)\n", "prctl(PR_SET_NO_NEW_PRIVS, 1)\n", `execve("/bin/sh", ["/bin/sh"])` + "\n", " LISTEN_PID ", " PASSWORD "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("plan lacks %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "hunter2") {
		t.Error("shows the value of a variable")
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("has opened the socket")
	}
}

func TestVersionAndHelp(t *testing.T) {
	if stdout, _, code := suprun(t, "--version"); code != 0 || stdout != fmt.Sprintf("suprun %s\n", version) {
		t.Errorf("--version: %d, %q", code, stdout)
	}
	if stdout, _, code := suprun(t, "--help"); code != 0 || stdout != usage {
		t.Errorf("--help: %d, %q", code, stdout)
	}
}

// Every option in the help exists, and the help has every option.
func TestUsageIsComplete(t *testing.T) {
	for name := range setters {
		if !strings.Contains(usage, "\n  --"+name+" ") {
			t.Errorf("--%s is not in the help", name)
		}
	}
	for line := range strings.Lines(usage) {
		name, ok := strings.CutPrefix(line, "  --")
		if !ok {
			continue
		}
		name = strings.TrimRight(strings.Fields(name)[0], ",")
		if setters[name] == nil && new(options).boolean(name) == nil {
			t.Errorf("--%s is in the help alone", name)
		}
	}
}

// Nothing that the owner of a program wrote into it is obeyed by a terminal.
func TestWordsOfAProgram(t *testing.T) {
	program := t.TempDir() + "/job"
	if err := os.WriteFile(program, []byte("#!/no\x1b]0;title\a\x1b[2J\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--explain"}} {
		_, said, code := suprun(t, append(flags, "--", program)...)
		if code != exitNotExecutable || !strings.Contains(said, "its interpreter /no]0;title[2J does not exist") || strings.ContainsAny(said, "\x1b\a") {
			t.Errorf("%q: exited with %d, %q", flags, code, said)
		}
	}
}
