package privdrop

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Script is the first line of a script, as execve(2) reads it (load_script in
// fs/binfmt_script.c).
type Script struct {
	Interpreter string // a path; "" is that the file is no script, or cannot be read
	Argument    string // all that follows it
}

// ScriptAt reads the first line of the file that the worker finds at path, if as may (see
// Open). The error says what is wrong with it: execve says "no such file or directory" of an
// interpreter whose name ends in a carriage return, as if the script were missing.
func (v View) ScriptAt(path string, as *files.Account) (Script, error) {
	f, err := v.look(path, as)
	if err != nil {
		return Script{}, nil
	}
	defer f.close()
	return f.script()
}

func (f *found) script() (Script, error) {
	head := make([]byte, 256) // BINPRM_BUF_SIZE
	n, err := f.readStart(head)
	if err != nil {
		return Script{}, nil
	}
	if bytes.HasPrefix(head[:n], []byte("\ufeff#!")) {
		return Script{}, errors.New(`it begins with a byte order mark, as in Windows, before its #!; take it off with sed -i '1s/^\xEF\xBB\xBF//'`)
	}
	text, is := bytes.CutPrefix(head[:n], []byte("#!"))
	if !is {
		return Script{}, nil
	}
	first, _, whole := strings.Cut(string(text), "\n")
	line := strings.Trim(first, " \t")
	end := strings.IndexAny(line, " \t\x00")
	if end < 0 {
		end = len(line)
	}
	s := Script{line[:end], strings.Trim(line[end:], " \t\x00")}
	switch {
	case s.Interpreter == "" || s.Interpreter == "\r":
		return Script{}, fmt.Errorf("its line #! names no interpreter; write one, such as #!/bin/sh")
	case !whole && n == len(head) && end == len(line):
		return Script{}, fmt.Errorf("its line #! is longer than the %d bytes that the kernel reads, so that the interpreter's name is cut off; install it at a shorter path", len(head))
	case s.broken():
		return Script{}, fmt.Errorf(`its line #!%s ends in a carriage return, as in Windows, which is part of its last word; take it off with sed -i 's/\r$//'`, strings.TrimSuffix(line, "\r"))
	}
	return s, nil
}

// broken reports whether the carriage return at the end of the line is in the name of
// a program, or in an argument that the interpreter refuses for it. Others, such as
// perl and env -S, take it for a space.
func (s Script) broken() bool {
	name := filepath.Base(s.Interpreter)
	switch {
	case s.Argument == "":
		return strings.HasSuffix(name, "\r")
	case !strings.HasSuffix(s.Argument, "\r"):
		return false
	case name == "env":
		return s.Argument[0] != '-'
	}
	return strings.HasPrefix(name, "python") || name == "sh" || name == "bash" || name == "dash" || name == "ksh"
}

// examineInterpreter looks at a script's first line. execve says of a missing
// interpreter "no such file or directory", as if the script were missing: the
// usual fate of a virtual environment that was moved.
func (v View) examineInterpreter(f *found) error {
	s, err := f.script()
	if err != nil {
		return fmt.Errorf("%s: %w: %w", f.path, ErrNotExecutable, err)
	}
	if !strings.HasPrefix(s.Interpreter, "/") {
		return nil
	}
	if v.isMissing(s.Interpreter, f.as) {
		return fmt.Errorf("%s: %w: its interpreter %s does not exist; install it, or make the virtual environment anew where that was moved", f.path, ErrNotExecutable, s.Interpreter)
	}
	return nil
}

// readStart reads the start of a regular file.
func (f *found) readStart(buf []byte) (int, error) {
	fd, err := f.open()
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.Read(fd, buf)
}

// isMissing reports whether nothing is there, as far as the account may know.
func (v View) isMissing(path string, as *files.Account) bool {
	f, err := v.look(path, as)
	if err == nil {
		f.close()
	}
	return err == unix.ENOENT
}
