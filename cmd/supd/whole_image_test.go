package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const recipe = "../../configs/init/container"

// imageApp answers a request once it is told to, so that one can be under way.
const imageApp = `import os, time
if os.environ.get("BREAK"):
    raise ImportError("broken")
print("imported", flush=True)
def application(environ, start):
    if environ["PATH_INFO"] == "/slow":
        print("asked", flush=True)
        while not os.path.exists("/answers/now"):
            time.sleep(0.05)
    start("200 OK", [("Content-Type", "text/plain")])
    return [("%s from %d" % (os.environ["GREETING"], os.getuid())).encode()]
`

// TestImage builds the image of configs/init/container, and runs it with the options that its
// Containerfile names, by podman and runc.
func TestImage(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	if os.Geteuid() != 0 {
		missing(t, "the runtime of containers needs root")
	}
	for _, program := range []string{"podman", "runc", "debootstrap"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is not installed")
		}
	}
	t.Parallel()
	p := newPodman(t)
	p.build()
	t.Run("serves", p.serves)
	t.Run("fails", p.fails)
	t.Run("shared memory", p.sharedMemory)
}

// podman keeps all that it makes in a directory.
type podman struct {
	t       *testing.T
	dir     string
	group   string   // parent of its cgroups
	options []string // that the Containerfile names
}

func newPodman(t *testing.T) *podman {
	dir := scriptRoot(t)
	p := &podman{t: t, dir: dir, group: "/supd-test-" + filepath.Base(filepath.Dir(dir)) + "-" + filepath.Base(dir)}
	t.Cleanup(func() {
		p.must("rm", "--force", "--all")
		p.must("rmi", "--force", "--all")
		for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup"} {
			groups, _ := filepath.Glob(pattern + p.group)
			for _, group := range groups {
				removeCgroups(t, group)
			}
		}
	})
	text, err := os.ReadFile(recipe + "/Containerfile")
	check(t, err)
	said := regexp.MustCompile(`(?s)podman run (.*?) whois\n`).FindStringSubmatch(string(text))
	if said == nil {
		t.Fatal("the Containerfile does not say how its image is run")
	}
	p.options = regexp.MustCompile(`--publish \S+|--env \S+|[\\#]`).Split(said[1], -1) // the test has no network, and an environment of its own
	p.options = strings.Fields(strings.Join(p.options, " "))
	return p
}

// command is podman's, with its storage in the test's directory, and without a network. A test's
// machine may not let it raise limits.
func (p *podman) command(action string, args ...string) *exec.Cmd {
	all := []string{"--root", p.dir + "/root", "--runroot", p.dir + "/run", "--tmpdir", p.dir + "/tmp",
		"--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "none", action}
	if action == "run" || action == "build" {
		all = append(all, "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--cgroup-parent", p.group)
	}
	return exec.Command("podman", append(all, args...)...)
}

func (p *podman) must(action string, args ...string) string {
	p.t.Helper()
	out, err := p.command(action, args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("podman %s %q: %v\n%s", action, args, err, out)
	}
	return string(out)
}

// build makes the image from the recipe as it stands, on a Debian that is there already.
func (p *podman) build() {
	p.t.Helper()
	pack := exec.Command("tar", "-C", cachedTree(p.t), "-c", ".")
	take := p.command("import", "-", "localhost/debian")
	var err error
	take.Stdin, err = pack.StdoutPipe()
	check(p.t, err)
	check(p.t, pack.Start())
	out, err := take.CombinedOutput()
	if err := pack.Wait(); err != nil {
		p.t.Fatalf("tar: %v", err)
	}
	if err != nil {
		p.t.Fatalf("import: %v\n%s", err, out)
	}
	context := p.dir + "/context"
	check(p.t, os.CopyFS(context, os.DirFS(recipe)))
	check(p.t, os.Mkdir(context+"/whois", 0o755))
	check(p.t, os.WriteFile(context+"/whois/whois.py", []byte(imageApp), 0o644))
	compile := exec.Command("go", "build", "-o", context+"/", "supd/cmd/supd", "supd/cmd/supctl")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0") // as in the packages: it needs no library of the image's
	if out, err := compile.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	p.must("build", "--format", "docker", "--build-arg", "BASE=localhost/debian", "--tag", "localhost/whois", context)
}

// running is a container, and what it has written so far.
type running struct {
	p              *podman
	t              *testing.T
	name           string
	stdout, stderr string // files
	ended          chan error
}

func (p *podman) run(t *testing.T, name string, more ...string) *running {
	t.Helper()
	r := &running{p: p, t: t, name: name, stdout: p.dir + "/" + name + ".stdout", stderr: p.dir + "/" + name + ".stderr", ended: make(chan error, 1)}
	cmd := p.command("run", append(append(append([]string{"--rm", "--name", name}, p.options...), more...), "localhost/whois")...)
	var files [2]*os.File
	for i, path := range []string{r.stdout, r.stderr} {
		f, err := os.Create(path)
		check(t, err)
		defer f.Close()
		files[i] = f
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	check(t, cmd.Start())
	go func() { r.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("stdout:\n%s\nstderr:\n%s", r.read(r.stdout), r.read(r.stderr))
		}
	})
	return r
}

func (r *running) read(path string) string {
	text, err := os.ReadFile(path)
	check(r.t, err)
	return string(text)
}

// exec gives what a command in the container prints.
func (r *running) exec(args ...string) (string, error) {
	out, err := r.p.command("exec", append([]string{r.name}, args...)...).CombinedOutput()
	return string(out), err
}

// wait waits until the workers are ready.
func (r *running) wait() {
	r.t.Helper()
	eventually(r.t, "ready", func() error {
		out, err := r.exec("supctl", "status")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// code waits for the end, and gives the exit code.
func (r *running) code() int {
	r.t.Helper()
	select {
	case err := <-r.ended:
		if exit, ok := err.(*exec.ExitError); ok {
			return exit.ExitCode()
		}
		check(r.t, err)
		return 0
	case <-time.After(patience):
		r.t.Fatal("the container has not ended")
		return -1
	}
}

// serves looks at what runs in it, and stops it while a request is under way.
func (p *podman) serves(t *testing.T) {
	answers := scriptRoot(t) // nothing can be executed in a container that is being stopped
	r := p.run(t, "serves", "--env", "GREETING=hello", "--volume", answers+":/answers:ro")
	r.wait()
	answer, err := r.exec("curl", "-sS", "http://127.0.0.1:8000/")
	if err != nil || answer != "hello from 10001" {
		t.Errorf("%q, %v", answer, err)
	}
	if out, err := p.command("healthcheck", "run", r.name).CombinedOutput(); err != nil {
		t.Errorf("health: %v: %s", err, out)
	}
	rights, err := r.exec("grep", "-hE", "^(Uid|NoNewPrivs|Cap(Prm|Eff|Bnd|Amb)):", "/proc/1/status")
	check(t, err)
	if want := "Uid: 10001 10001 10001 10001 CapPrm: 0000000000000000 CapEff: 0000000000000000 CapBnd: 0000000000000000 CapAmb: 0000000000000000 NoNewPrivs: 1"; strings.Join(strings.Fields(rights), " ") != want {
		t.Errorf("supd has\n%s", rights)
	}
	if out, err := r.exec("touch", "/etc/supd/x", "/usr/x"); err == nil || strings.Count(out, "Read-only file system") != 2 {
		t.Errorf("the root file system: %v, %s", err, out)
	}

	request := r.p.command("exec", r.name, "curl", "-sS", "http://127.0.0.1:8000/slow")
	var slow, trouble bytes.Buffer
	request.Stdout, request.Stderr = &slow, &trouble
	check(t, request.Start())
	eventually(t, "the request", func() error {
		if !strings.Contains(r.read(r.stdout), "| asked\n") {
			return fmt.Errorf("not asked yet")
		}
		return nil
	})
	stopped := make(chan error, 1)
	go func() { stopped <- p.command("stop", r.name).Run() }()
	eventually(t, "the stop", func() error {
		if !strings.Contains(r.read(r.stderr), "stopping all workers") {
			return fmt.Errorf("TERM has not come")
		}
		return nil
	})
	check(t, os.WriteFile(answers+"/now", nil, 0o644))
	// Of a command that ends right before its container podman may not hear how: what curl
	// says counts.
	if err := request.Wait(); slow.String() != "hello from 10001" || strings.Contains(trouble.String(), "curl:") {
		t.Errorf("the request that was under way: %q, %v: %s", slow.String(), err, trouble.String())
	}
	if code := r.code(); code != 0 {
		t.Errorf("the container has ended with %d", code)
	}
	check(t, <-stopped)
	if out := r.read(r.stdout); !regexp.MustCompile(`(?m)^\S+Z whois/web\.1 \| imported$`).MatchString(out) || strings.Contains(out, "supd started") {
		t.Error("standard output is not what the workers have written")
	}
	if out := r.read(r.stderr); !strings.Contains(out, "supd started") || strings.Contains(out, "imported") {
		t.Error("standard error is not supd's own log")
	}
}

// fails ends when nothing works, or the configuration is wrong.
func (p *podman) fails(t *testing.T) {
	r := p.run(t, "broken", "--env", "GREETING=hello", "--env", "BREAK=1")
	if code := r.code(); code != 1 || !strings.Contains(r.read(r.stdout), "broken") {
		t.Errorf("broken: ended with %d", code)
	}
	r = p.run(t, "wrong", "--env", "SUPD_DAEMON_EXIT_ON=sometimes")
	if code := r.code(); code != 6 {
		t.Errorf("wrong: ended with %d", code)
	}
}

// sharedMemory is where supd runs with a /run of which it cannot be sure, as the Containerfile
// says of Kubernetes.
func (p *podman) sharedMemory(t *testing.T) {
	anybodys := p.dir + "/anybodys"
	check(t, os.Mkdir(anybodys, 0o777))
	check(t, os.Chmod(anybodys, 0o777))
	over := *p
	over.options = nil
	for i := 0; i < len(p.options); i++ {
		if p.options[i] == "--tmpfs" {
			i++
			continue
		}
		over.options = append(over.options, p.options[i])
	}
	over.options = append(over.options, "--read-only-tmpfs=false", "--volume", anybodys+":/run")
	r := over.run(t, "refused", "--env", "GREETING=hello")
	if code := r.code(); code != 6 || !strings.Contains(r.read(r.stderr), "/run has mode 0777") {
		t.Errorf("on a /run of anybody's: ended with %d", code)
	}
	text, err := os.ReadFile(recipe + "/Containerfile")
	check(t, err)
	more := []string{"--env", "GREETING=hello"}
	for _, setting := range regexp.MustCompile(`SUPD_\w+=\S+`).FindAllString(string(text), -1) {
		more = append(more, "--env", setting)
	}
	r = over.run(t, "memory", more...)
	r.wait()
	p.must("stop", r.name)
	if code := r.code(); code != 0 {
		t.Errorf("ended with %d", code)
	}
}
