package configs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// ReadCredentials gives the value of an HTTP Authorization header (RFC 9110, 11.6.2)
// from a file of one line, USER:PASSWORD or "Bearer TOKEN". It refuses a file that
// anybody but root and supd's own user can read or change. No error has anything of
// what is in it.
func ReadCredentials(path string) (authorization string, err error) {
	text, err := readRegular(path, isPrivate)
	if err == nil {
		authorization, err = authorizationOf(string(text))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return authorization, nil
}

func isPrivate(info fs.FileInfo) error {
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("belongs to the user with number %d; chown root it", owner)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("others than its owner may use it (mode %04o); chmod 0600 it", mode)
	}
	return nil
}

var errCredentials = errors.New(`want one line, USER:PASSWORD or "Bearer TOKEN"`)

func authorizationOf(text string) (string, error) {
	line := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", errCredentials
	}
	if token, is := strings.CutPrefix(line, "Bearer "); is {
		if token == "" || !clean(token) {
			return "", errCredentials
		}
		return line, nil
	}
	if user, _, is := strings.Cut(line, ":"); !is || user == "" {
		return "", errCredentials
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(line)), nil // RFC 7617
}
