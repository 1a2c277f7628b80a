package configs

import (
	"bytes"
	"errors"
	"fmt"

	"supd/privdrop"
)

// Lookup does what privdrop's does. Of a name that nobody has the error also says the
// nearest one.
func Lookup(id privdrop.Identity) (*privdrop.Account, error) {
	account, err := privdrop.Lookup(id)
	return account, withNearest(err)
}

// lookupOwner does the same for the owner of a file.
func lookupOwner(user, group string) (uid, gid int, err error) {
	uid, gid, err = privdrop.LookupOwner(user, group)
	return uid, gid, withNearest(err)
}

// withNearest asks this machine's own files alone: a directory service may have a hundred
// thousand names, and lists them slowly or not at all.
func withNearest(err error) error {
	unknown, is := errors.AsType[*privdrop.UnknownError](err)
	if !is {
		return err
	}
	file := "/etc/passwd"
	if unknown.Kind == "group" {
		file = "/etc/group"
	}
	if near := nearest(unknown.Name, namesIn(file)); near != "" {
		return fmt.Errorf("%w, did you mean %q?", err, near)
	}
	return err
}

// namesIn gives the names of a file such as passwd(5) and group(5), none where it cannot be
// read or is longer than maxFile.
func namesIn(file string) (names []string) {
	text, err := readRegular(file)
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(text) {
		name, _, isEntry := bytes.Cut(line, []byte(":"))
		if isEntry && len(name) > 0 && !bytes.ContainsAny(name[:1], "#+-") { // comments, and lines of nsswitch's compat
			names = append(names, string(name))
		}
	}
	return names
}
