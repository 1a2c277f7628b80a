package socket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A path is put back after mendLeast: who removes a directory with all that is in it
// is to be done with that. What cannot be put back is tried with growing delays.
const (
	mendLeast = 100 * time.Millisecond
	mendMost  = 10 * time.Second
)

// Last opens a unix socket that this program itself serves, and binds it anew when
// somebody removes its path or the directory of that. It calls mended after that with
// nil, and with an error once if it cannot be done for now. Connections that were
// accepted go on.
func Last(spec Spec, mended func(error)) (net.Listener, error) {
	set, err := newSet(nil)
	if err != nil {
		return nil, err
	}
	sock, err := set.openOne(spec.Name, spec, nil)
	if err != nil {
		set.Close()
		return nil, err
	}
	set.live.Store(&map[string]*Socket{spec.Name: sock})
	l := &lasting{set: set, key: spec.Name, sock: sock, mended: mended,
		damaged: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	first, err := sock.served()
	if err != nil {
		set.Close()
		return nil, err
	}
	l.now.Store(&first)
	l.close = sync.OnceValue(l.end)
	go l.mend()
	set.Watch(func(Damage) { l.damage() })
	return l, nil
}

// lasting is the listener that Last makes.
type lasting struct {
	now     atomic.Pointer[net.Listener]
	mended  func(error)
	damaged chan struct{} // with room for one
	quit    chan struct{}
	done    chan struct{} // closed once nobody mends any more
	close   func() error

	// Of the goroutine that mends, and after it of whoever closes.
	set  *Set
	key  string
	sock *Socket // that is served
}

// Accept goes on with the listener that has taken the place of a closed one.
func (l *lasting) Accept() (net.Conn, error) {
	for {
		now := l.now.Load()
		c, err := (*now).Accept()
		if err == nil || l.now.Load() == now {
			return c, err
		}
	}
}

// Addr does not change.
func (l *lasting) Addr() net.Addr { return (*l.now.Load()).Addr() }

// Close may be called by several.
func (l *lasting) Close() error { return l.close() }

func (l *lasting) end() error {
	close(l.quit)
	<-l.done
	err := closeLast(*l.now.Load())
	if e := l.set.Close(); err == nil {
		err = e
	}
	return err
}

func (l *lasting) mend() {
	defer close(l.done)
	delay, failing := mendLeast, false
	for {
		select {
		case <-l.damaged:
		case <-l.quit:
			return
		}
		select {
		case <-time.After(delay):
		case <-l.quit:
			return
		}
		changed, err := l.again()
		if changed || (err != nil) != failing {
			l.mended(err)
		}
		delay = min(2*delay, mendMost)
		if failing = err != nil; !failing {
			delay = mendLeast
		} else {
			l.damage() // so that it is tried again
		}
	}
}

// damage lets the socket be looked at.
func (l *lasting) damage() {
	select {
	case l.damaged <- struct{}{}:
	default:
	}
}

// again binds the socket anew, and reports whether it had to.
func (l *lasting) again() (changed bool, err error) {
	if err := l.set.Repair(Damage{Key: l.key, Kind: ShutDown}); err != nil {
		return false, err
	}
	sock := l.set.Get(l.key)
	if sock == l.sock {
		return false, nil
	}
	next, err := sock.served()
	if err != nil {
		return false, err
	}
	old := l.now.Swap(&next)
	l.sock = sock
	return true, closeLast(*old)
}
