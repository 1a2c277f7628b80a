package release

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// manyFiles makes something like a virtualenv of 10,000 files.
func manyFiles(b *testing.B) string {
	b.Helper()
	root := filepath.Join(b.TempDir(), "installed")
	for i := range 10_000 {
		dir := filepath.Join(root, "lib", "python3", "site-packages", fmt.Sprintf("package%d", i/100), fmt.Sprintf("part%d", i/20%5))
		if i%20 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("module%d.py", i)), make([]byte, 500+i), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return root
}

// BenchmarkRegister should take at most twice as long as BenchmarkCopyLinks.
func BenchmarkRegister(b *testing.B) {
	root, dir := manyFiles(b), b.TempDir()
	n := 0
	for b.Loop() {
		n++
		s := Open(filepath.Join(dir, fmt.Sprint(n)))
		if _, _, err := s.Register(context.Background(), Registration{App: "app", Version: "1.0", Path: root, InPlace: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRegisterAgain registers a version that is registered already.
func BenchmarkRegisterAgain(b *testing.B) {
	root, s := manyFiles(b), Open(b.TempDir())
	r := Registration{App: "app", Version: "1.0", Path: root, InPlace: true}
	for b.Loop() {
		if _, _, err := s.Register(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCopyLinks measures cp -al.
func BenchmarkCopyLinks(b *testing.B) {
	root, dir := manyFiles(b), b.TempDir()
	n := 0
	for b.Loop() {
		n++
		if out, err := exec.Command("cp", "-al", root, filepath.Join(dir, fmt.Sprint(n))).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

func BenchmarkJournalWrite(b *testing.B) {
	j, err := OpenJournal(filepath.Join(b.TempDir(), "state"))
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	for b.Loop() {
		if err := j.Write(State{Active: "1.0"}); err != nil {
			b.Fatal(err)
		}
	}
}
