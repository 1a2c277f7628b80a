package privdrop

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Denial is why this process is not permitted to use a file.
type Denial struct {
	Who   string // this process is: "deploy (uid 1000)"
	Path  string // the first directory on the way that it may not enter, or the file itself
	Group string // whose members may; "": none, or those of root's
	what  string
	owner string
	mode  uint32
}

// Denied finds what keeps this process from path after err. ok is false where that is
// not about permission.
func Denied(path string, err error) (d Denial, ok bool) {
	if !errors.Is(err, unix.EACCES) {
		return d, false
	}
	d = Denial{Who: UserTitle(os.Geteuid()), Path: path, what: "use"}
	if whole, err := filepath.Abs(path); err == nil {
		d.Path = whole
	}
	enters := uint32(0o060)
	if dir := closedOn(d.Path); dir != "" {
		d.Path, d.what, enters = dir, "enter the directory", 0o010
	}
	var st unix.Stat_t
	if unix.Stat(d.Path, &st) != nil {
		return d, true
	}
	d.owner, d.mode = UserName(int(st.Uid)), st.Mode&0o7777
	if group := groupName(int(st.Gid)); st.Gid != 0 && st.Mode&enters != 0 {
		d.Group = group
	}
	return d, true
}

// closedOn is the first directory above path that this process may not enter, or "".
func closedOn(path string) string {
	for i, c := range path {
		if dir := path[:max(i, 1)]; c == '/' && unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS) == unix.EACCES {
			return dir
		}
	}
	return ""
}

// groupName is a group's name, or its number where /etc/group has none.
func groupName(gid int) string {
	g, err := user.LookupGroupId(strconv.Itoa(gid))
	if err != nil {
		return strconv.Itoa(gid)
	}
	return g.Name
}

func (d Denial) String() string {
	text := fmt.Sprintf("%s may not %s %s", d.Who, d.what, d.Path)
	if d.owner != "" {
		text += fmt.Sprintf(", which is of %s with mode %04o", strings.TrimSpace(d.owner), d.mode)
	}
	return text
}
