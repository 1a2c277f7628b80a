package configs

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"supd/privdrop"
)

// TestVerifyFormats: execve says of none of them what is wrong.
func TestVerifyFormats(t *testing.T) {
	if entries, _ := os.ReadDir("/proc/sys/fs/binfmt_misc"); len(entries) > 2 {
		t.Skip("this kernel has programs that run those of other machines")
	}
	own, other := elf.EM_X86_64, elf.EM_AARCH64
	if runtime.GOARCH == "arm64" {
		own, other = other, own
	}
	program := func(machine elf.Machine, typ elf.Type, loader string) string {
		var b strings.Builder
		h := elf.Header64{Type: uint16(typ), Machine: uint16(machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
		copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
		binary.Write(&b, binary.LittleEndian, h)
		binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 120, Filesz: uint64(len(loader))})
		return b.String() + loader
	}
	well := program(own, elf.ET_DYN, "/bin/sh\x00")
	names := []string{"well", "empty", "text", "short", "head", "other", "swapped", "object", "loader", "long", "none", "itself", "by-empty"}
	texts := map[string]string{
		"well": well, "empty": "", "text": "echo\n", "short": well[:60], "head": well[:100], "other": program(other, elf.ET_EXEC, "/bin/sh\x00"),
		"swapped": well[:5] + "\x02" + well[6:18] + "\x00\x16" + well[20:],
		"object":  program(own, elf.ET_REL, "/bin/sh\x00"), "loader": program(own, elf.ET_DYN, "/lib/no-such-ld.so\x00"), "long": well[:124],
		"none": program(own, elf.ET_DYN, ""), "itself": "#!DIR/itself\n", "by-empty": "#!DIR/empty\n", "s0": "#!/bin/sh\n",
	}
	for n := range privdrop.MostScripts + 1 {
		texts[fmt.Sprintf("s%d", n+1)] = fmt.Sprintf("#!DIR/s%d\n", n)
	}
	names = append(names, fmt.Sprintf("s%d", privdrop.MostScripts-1), fmt.Sprintf("s%d", privdrop.MostScripts))
	app := "user = \"nobody\"\n"
	for _, name := range names {
		app += "[process." + name + "]\ncommand = \"DIR/" + name + "\"\ndirectory = \"/\"\n"
	}
	dir := lay(t, nil)
	for name, text := range texts {
		put(t, dir, name, strings.ReplaceAll(text, "DIR", dir))
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "apps/app.toml", strings.ReplaceAll(app, "DIR", dir))
	checkWords(t, verified(t, dir), []string{
		"process.empty.command: DIR/empty: it is empty; install it anew",
		"process.text.command: DIR/text: it is no program, and no script that begins with #!; ",
		"process.short.command: DIR/short: it is cut off, ",
		"process.head.command: DIR/head: it is cut off, ",
		fmt.Sprintf("process.other.command: DIR/other: it is a program for another kind of machine (%s, and this one is %s); ", other, own),
		"process.swapped.command: DIR/swapped: it is a program for another kind of machine (EM_S390, ",
		"process.object.command: DIR/object: it is no program but ET_REL, ",
		"process.loader.command: DIR/loader: its loader /lib/no-such-ld.so does not exist; ",
		"process.long.command: DIR/long: it is cut off, ",
		"process.none.command: DIR/none: the name of its loader is none; ",
		"process.itself.command: DIR/itself: its line #! names the script itself; ",
		"process.by-empty.command: DIR/empty: it is empty; ",
		fmt.Sprintf("process.s%d.command: DIR/s0: too many scripts are each other's interpreters, and the kernel goes through 5; ", privdrop.MostScripts),
	})
}
