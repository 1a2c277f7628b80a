package configs

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// What is read of an installed package, and of a directory of them, at most.
const (
	mostMetadata = 16 << 10 // the headers come first, a description later
	mostPackages = 8192
)

// installed gives the version of the Python distribution that the command's server is of,
// "" where that cannot be told. It goes by what the environment that the command is from,
// or Debian, says to be installed, and starts nothing.
func (t *trap) installed(s *server) string {
	if s.Package == "" {
		return ""
	}
	for _, lib := range t.libraries() {
		for _, python := range t.entries(lib) {
			if !strings.HasPrefix(python, "python3") {
				continue
			}
			for _, site := range []string{"site-packages", "dist-packages"} {
				if v := t.distribution(filepath.Join(lib, python, site), s.Package); v != "" {
					return v
				}
			}
		}
	}
	return ""
}

// libraries are the directories with a Python's directory in them that the command's may
// be: those of the venv, or beside the program.
func (t *trap) libraries() []string {
	p, program := t.process, t.levels[len(t.levels)-1].argv[0]
	for _, l := range t.levels { // python of another environment, and -m
		if filepath.IsAbs(l.argv[0]) {
			program = l.argv[0]
		}
	}
	switch {
	case filepath.IsAbs(program) && filepath.Dir(program) != "/usr/bin":
		return []string{filepath.Join(filepath.Dir(filepath.Dir(program)), "lib")}
	case p.Venv != "" && !filepath.IsAbs(program):
		return []string{filepath.Join(p.Venv, "lib")}
	}
	return []string{"/usr/local/lib", "/usr/lib"}
}

// distribution gives the version in NAME-VERSION.dist-info/METADATA, or Debian's
// NAME-VERSION.egg-info, a file or a directory with PKG-INFO.
func (t *trap) distribution(site, name string) string {
	for _, entry := range t.entries(site) {
		of, version, is := strings.Cut(strings.ToLower(entry), "-")
		if !is || strings.ReplaceAll(of, "_", "-") != name {
			continue
		}
		for suffix, file := range map[string]string{".dist-info": "METADATA", ".egg-info": "PKG-INFO"} {
			if !strings.HasSuffix(version, suffix) {
				continue
			}
			if v := t.metadata(filepath.Join(site, entry), file); v != "" {
				return v
			}
			return t.metadata(site, entry)
		}
	}
	return ""
}

// entries are the names in a directory, none where it cannot be read.
func (t *trap) entries(dir string) (names []string) {
	_ = t.way.In(t.app.view().Find(dir), func(p files.Place) error {
		fd, err := unix.Openat(p.FD, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), dir)
		defer f.Close()
		names, err = f.Readdirnames(mostPackages)
		return err
	})
	return names
}

// metadata gives the version that a file of a package says.
func (t *trap) metadata(dir, name string) (version string) {
	_ = t.way.In(t.app.view().Find(dir), func(p files.Place) error {
		fd, st, err := p.Open(name, unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(f, mostMetadata))
		version = header822(text, "Version")
		return err
	})
	return version
}

// header822 gives a header of a text that begins with some.
func header822(text []byte, name string) string {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan() && lines.Text() != ""; {
		if key, v, is := strings.Cut(lines.Text(), ":"); is && strings.EqualFold(key, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
