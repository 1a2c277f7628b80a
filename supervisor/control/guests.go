package control

import (
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"supd/socket"
)

// A guest is who may read and not act. Guests have an eighth of the descriptors that
// supd may open, so that launches always have some, and one of them has a quarter of
// that. A few more of one user's connections are taken to tell him so.
const (
	mostGuests  = 256
	leastGuests = 16
	mostOfOne   = 32
	toBeTold    = 4
)

// guests is a listener that bounds the connections of guests. Those who may act are
// outside of it.
type guests struct {
	net.Listener
	most, mostOf int
	refused      chan struct{} // holds one thing for each that is being closed

	mu  sync.Mutex // connections end in goroutines of their own
	all int
	of  map[int]int // by uid
}

func newGuests(l net.Listener) *guests {
	most := mostGuests
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		most = int(max(leastGuests, min(mostGuests, limit.Cur/8)))
	}
	return &guests{Listener: l, most: most, mostOf: min(mostOfOne, most/4), of: map[int]int{}, refused: make(chan struct{}, mostRefused)}
}

// mostRefused are closed at the same time: each may have something in it that makes the
// close last.
const mostRefused = 16

// Accept closes the connections for which there is no room, which costs their user
// more than supd.
func (g *guests) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		v := &visit{Conn: c, peer: peerOf(c), leave: func() {}}
		if v.mayAct() || g.enters(v) {
			return v, nil
		}
		g.refuse(v)
	}
}

func (g *guests) refuse(v *visit) {
	select {
	case g.refused <- struct{}{}:
		go func() {
			v.Close()
			<-g.refused
		}()
	default:
		v.Close()
	}
}

func (g *guests) enters(v *visit) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.most || g.of[v.uid] >= g.mostOf+toBeTold {
		return false
	}
	v.crowded = g.of[v.uid] >= g.mostOf
	v.leave = sync.OnceFunc(func() { g.leaves(v.uid) })
	g.all++
	g.of[v.uid]++
	return true
}

func (g *guests) leaves(uid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.of[uid]--; g.of[uid] == 0 {
		delete(g.of, uid)
	}
}

// visit is a connection, and who has made it.
type visit struct {
	net.Conn
	peer
	leave func()
}

func (v *visit) Close() error {
	return socket.Close(v.Conn, v.leave)
}
