package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// peer is the process at the other end of a connection, as it was when it
// connected.
type peer struct {
	uid int
	pid int // 0 when it is in a pid namespace that this process does not see

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
			who = peer{uid: int(cred.Uid), pid: int(cred.Pid)}
		}
	})
	return who
}

func peerFrom(r *http.Request) peer {
	if p, ok := r.Context().Value(peerKey{}).(peer); ok {
		return p
	}
	return nobody
}

// mayAct reports whether p may change what runs: root may, and supd's own user.
func (p peer) mayAct() bool { return p.uid == 0 || p.uid == os.Geteuid() }

// String is for the log: `deploy (uid 1000, pid 4711)`.
func (p peer) String() string {
	return fmt.Sprintf("%s (uid %d, pid %d)", privdrop.UserName(p.uid), p.uid, p.pid)
}

// whoMayAct names those who may act, for the end of a refusal.
func whoMayAct() string {
	if uid := os.Geteuid(); uid != 0 {
		return "root and " + privdrop.UserTitle(uid)
	}
	return "root"
}
