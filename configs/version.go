package configs

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Version is one installed release, as far as a configuration depends on it.
type Version struct {
	Name  string // "1.4.0"
	Path  string // its directory as its workers see it
	Files string // where its files can be read now: a snapshot, or Path again
}

// file is the release's own configuration.
func (v Version) file() string { return filepath.Join(v.Files, "supd.toml") }

// VersionProblem gives "", or why name is no version: 1 to 64 bytes of letters,
// digits and . + ~ : _ - as dpkg and rpm write them, beginning with a letter or
// digit, so that it can be the name of a directory.
func VersionProblem(name string) string {
	const alphanumeric = letters + "0123456789"
	switch {
	case name == "" || strings.Trim(name, alphanumeric+".+~:_-") != "" || strings.IndexByte(alphanumeric, name[0]) < 0:
		return fmt.Sprintf("%q is no version: want letters, digits, and . + ~ : _ -, beginning with a letter or digit", name)
	case len(name) > 64:
		return "the version is longer than 64 bytes"
	}
	return ""
}
