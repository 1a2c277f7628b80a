package privdrop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// The command is a static program that ends at once, so that the launch is what
// is measured; the time includes its end and the reaping.

func staticProgram(b *testing.B) string {
	b.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		b.Skip("needs gcc, to build a static program")
	}
	dir := b.TempDir()
	os.Chmod(filepath.Dir(dir), 0o755)
	os.Chmod(dir, 0o755)
	source, program := filepath.Join(dir, "true.c"), filepath.Join(dir, "true")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-O2", "-static", "-o", program, source).CombinedOutput(); err != nil {
		b.Skipf("gcc cannot link a static program: %v: %s", err, out)
	}
	return program
}

func BenchmarkStart(b *testing.B) {
	s := Spec{Argv: []string{staticProgram(b)}, Session: true, Resources: Resources{Limits: Limits{"core": {0, 0}}}, Account: nobody(b)}
	for b.Loop() {
		startOnce(b, s)
	}
}

// BenchmarkPlan makes the list alone, as each launch does.
func BenchmarkPlan(b *testing.B) {
	s := Spec{Argv: []string{"/bin/true"}, Session: true, Account: nobody(b), Dir: "/"}
	for range 20 {
		s.Env = append(s.Env, "SUPD_VARIABLE=of the usual length")
	}
	for b.Loop() {
		plan, err := s.Plan()
		if err != nil {
			b.Fatal(err)
		}
		plan.forget()
	}
}

// BenchmarkStartBeside is the same in a process with many descriptors.
func BenchmarkStartBeside(b *testing.B) {
	s := Spec{Argv: []string{staticProgram(b)}, Session: true, Account: nobody(b)}
	for _, count := range []int{10, 3000, 18000} {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			for range count {
				fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
				if err != nil {
					b.Skip(err)
				}
				defer unix.Close(fd)
			}
			for b.Loop() {
				startOnce(b, s)
			}
		})
	}
}

// BenchmarkStartMounts is the same in a mount namespace of its own.
func BenchmarkStartMounts(b *testing.B) {
	needMounts(b)
	dir := publicDir(b)
	write(b, dir, map[string]string{"old/f": "", "opt/f": ""})
	for name, cover := range map[string]bool{"bind": false, "cover": true} {
		b.Run(name, func(b *testing.B) {
			s := Spec{Argv: []string{staticProgram(b)}, Session: true, Account: nobody(b), Mounts: []Mount{{From: dir + "/old", To: dir + "/opt", Cover: cover}}}
			for b.Loop() {
				startOnce(b, s)
			}
		})
	}
}

func startOnce(b *testing.B, s Spec) {
	b.Helper()
	plan, err := s.Plan()
	if err != nil {
		b.Fatal(err)
	}
	process, err := plan.Start()
	if err != nil {
		b.Fatal(err)
	}
	process.reap()
	process.Close()
}

func BenchmarkOSExec(b *testing.B) {
	program := staticProgram(b)
	for b.Loop() {
		if err := exec.Command(program).Run(); err != nil {
			b.Fatal(err)
		}
	}
}
