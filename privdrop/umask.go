package privdrop

import (
	"fmt"
	"strconv"
	"strings"
)

// Umask is a file mode creation mask, 0 to 0777 (umask(2)).
type Umask uint32

const (
	maxUmask   Umask = 0o777
	usualUmask Umask = 0o022 // of PID 1 and its services (init/init_task.c, systemd.exec(5))
)

// UnmarshalText reads octal digits: "0027", "27" and "0o027" are the same.
func (u *Umask) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(string(text), "0o"), 8, 32)
	if err != nil || Umask(n) > maxUmask {
		return fmt.Errorf("umask %q: want octal digits from 0000 to %s", text, maxUmask)
	}
	*u = Umask(n)
	return nil
}

// MarshalText writes what String does.
func (u Umask) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// String is the mask as four octal digits.
func (u Umask) String() string { return fmt.Sprintf("%04o", uint32(u)) }
