package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// peer is the process at the other end of a connection, as it was when it
// connected.
type peer struct {
	uid  int
	gids []int // its primary group, and its supplementary ones
	pid  int   // 0 when it is in a pid namespace that this process does not see

	crowded bool // its user has as many connections as one may have
}

// nobody is a peer that the kernel did not name. It may not act.
var nobody = peer{uid: -1}

type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	if v, ok := c.(*visit); ok {
		return context.WithValue(ctx, peerKey{}, v.peer)
	}
	return context.WithValue(ctx, peerKey{}, nobody)
}

// peerOf asks the kernel who connected: SO_PEERCRED of unix(7).
func peerOf(c net.Conn) peer {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nobody
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nobody
	}
	who := nobody
	_ = raw.Control(func(fd uintptr) { // an error leaves nobody
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			who = peer{uid: int(cred.Uid), pid: int(cred.Pid), gids: append(groupsOf(int(fd)), int(cred.Gid))}
		}
	})
	return who
}

// groupsOf gives the supplementary groups that a process was in when it connected
// (SO_PEERGROUPS, Linux 4.13): what it is, not what a database says of its user.
func groupsOf(fd int) []int {
	room := make([]uint32, 64)
	for {
		size := uint32(4 * len(room))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&room[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && int(size) > 4*len(room): // it says how much it takes
			room = make([]uint32, size/4)
			continue
		case errno != 0:
			return nil
		}
		gids := make([]int, size/4)
		for i := range gids {
			gids[i] = int(room[i])
		}
		return gids
	}
}

func peerFrom(r *http.Request) peer {
	if p, ok := r.Context().Value(peerKey{}).(peer); ok {
		return p
	}
	return nobody
}

// mayAct reports whether p may do everything: root may, and supd's own user.
func (p peer) mayAct() bool { return p.uid == 0 || p.uid == os.Geteuid() }

// String is for the log: `deploy (uid 1000, pid 4711)`.
func (p peer) String() string {
	return fmt.Sprintf("%s (uid %d, pid %d)", privdrop.UserName(p.uid), p.uid, p.pid)
}

// whoMayAct names those who may do everything, for a refusal.
func whoMayAct() string {
	if uid := os.Geteuid(); uid != 0 {
		return "root and " + privdrop.UserTitle(uid)
	}
	return "root"
}
