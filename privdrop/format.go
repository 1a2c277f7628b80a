package privdrop

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// MostScripts is how many scripts execve goes through that are each other's interpreters
// (exec_binprm in fs/exec.c).
const MostScripts = 5

// FormatAt says why the kernel executes no file like the one that the worker finds at path,
// neither a script nor a program (load_elf_binary in fs/binfmt_elf.c). execve says "no such
// file or directory" of a missing loader, as if the program were missing, and "exec format
// error" of all else. Of a file that as may not read (see Open) nothing is said. What it reads
// of a file is bounded.
func (v View) FormatAt(path string, as *files.Account) error {
	f, err := v.Open(path, as)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	head := make([]byte, binary.Size(elf.Header64{}))
	n, err := f.ReadAt(head, 0)
	switch head = head[:n]; {
	case info.Size() == 0:
		return errors.New("it is empty; install it anew")
	case n == 0 && err != nil, bytes.HasPrefix(head, []byte("#!")):
		return nil
	case !bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return unlessHandled("it is no program, and no script that begins with #!; write the interpreter into its first line, such as #!/bin/sh, or name it in the command")
	}
	return v.elf(f, head, info.Size(), as)
}

// machineOf is what this kernel runs. Whether it runs 32-bit programs too depends on how
// it was built.
var machineOf = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

var errCut = errors.New("it is cut off, and shorter than it says; install it anew")

func (v View) elf(f *os.File, head []byte, size int64, as *files.Account) error {
	machine, known := machineOf[runtime.GOARCH]
	if !known || len(head) <= elf.EI_CLASS || elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS32 {
		return nil
	}
	var header elf.Header64
	if _, err := binary.Decode(head, binary.LittleEndian, &header); err != nil {
		return errCut
	}
	if is := elf.Machine(header.Machine); is != machine || elf.Data(header.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB {
		if elf.Data(header.Ident[elf.EI_DATA]) == elf.ELFDATA2MSB {
			is = elf.Machine(binary.BigEndian.Uint16(head[18:])) // e_machine
		}
		return unlessHandled(fmt.Sprintf("it is a program for another kind of machine (%s, and this one is %s); install the one for this machine", is, machine))
	}
	if t := elf.Type(header.Type); t != elf.ET_EXEC && t != elf.ET_DYN {
		return fmt.Errorf("it is no program but %s, such as a compiler's object file; link it, or name the program", t)
	}
	segments, err := segmentsOf(f, header)
	if err != nil {
		return err
	}
	for _, s := range segments {
		t := elf.ProgType(s.Type)
		if (t == elf.PT_LOAD || t == elf.PT_INTERP) && (s.Off > uint64(size) || s.Filesz > uint64(size)-s.Off) {
			return errCut
		}
	}
	for _, s := range segments {
		if elf.ProgType(s.Type) == elf.PT_INTERP {
			return v.loader(f, s, as)
		}
	}
	return nil
}

// mostSegments is how many bytes of them the kernel takes (load_elf_phdrs).
const mostSegments = 64 << 10

func segmentsOf(f *os.File, header elf.Header64) ([]elf.Prog64, error) {
	all := make([]elf.Prog64, header.Phnum)
	length := binary.Size(all)
	if length == 0 || length > mostSegments || int(header.Phentsize) != binary.Size(elf.Prog64{}) || header.Phoff > 1<<62 {
		return nil, errors.New("it says nothing of what is to be loaded, and is no program; install it anew")
	}
	text := make([]byte, length)
	if n, _ := f.ReadAt(text, int64(header.Phoff)); n < length {
		return nil, errCut
	}
	_, err := binary.Decode(text, binary.LittleEndian, all)
	return all, err
}

// loader looks for the program that loads another one's libraries.
func (v View) loader(f *os.File, s elf.Prog64, as *files.Account) error {
	if s.Filesz < 2 || s.Filesz > unix.PathMax {
		return errors.New("the name of its loader is none; install it anew")
	}
	text := make([]byte, s.Filesz)
	if n, _ := f.ReadAt(text, int64(s.Off)); n < len(text) {
		return nil // it is being written
	}
	name := string(bytes.TrimRight(text, "\x00"))
	if v.isMissing(name, as) {
		return fmt.Errorf("its loader %s does not exist; install the package that has it (the C library), or the program for this system", name)
	}
	return nil
}

// unlessHandled makes an error of what is wrong with a file for the kernel by itself, unless
// it has been told of programs that run other files, such as qemu.
func unlessHandled(problem string) error {
	entries, err := os.ReadDir("/proc/sys/fs/binfmt_misc")
	if err == nil && len(entries) > len([]string{"register", "status"}) {
		return nil
	}
	return errors.New(problem)
}
