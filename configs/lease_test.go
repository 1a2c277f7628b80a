package configs

import (
	"errors"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// TestLease: whoever owns a file that supd reads cannot make it wait.
func TestLease(t *testing.T) {
	told := make(chan os.Signal, 1)
	ossignal.Notify(told, unix.SIGIO) // it would end the one who holds the lease
	defer ossignal.Stop(told)
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if script, err := (privdrop.View{}).ScriptAt(file, nil); err != nil || script.Interpreter != "/bin/sh" {
		t.Fatalf("script %v, %v", script, err)
	}
	holder, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := unix.FcntlInt(holder.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("no lease on this file system: %v", err)
	}
	if script, err := (privdrop.View{}).ScriptAt(file, nil); err != nil || script.Interpreter != "" {
		t.Errorf("script %v, %v, of a file that cannot be read now", script, err)
	}
	if _, err := readRegular(file); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("error %v", err)
	}
	if _, err := ReadEnvFile(file, nil); err == nil {
		t.Error("it was read")
	}
}
