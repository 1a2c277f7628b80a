package statsd

import (
	"errors"
	"net/netip"
	"time"

	"supd/socket"
)

// Senders are remembered by their port for sendersAge. In that time a socket may be
// closed and another user get its port: what that one sends then counts.
const (
	sendersAge  = time.Second
	sendersMost = 4096 // of one time: a flood from many ports takes no memory
)

// senders knows whose socket a datagram came from.
type senders struct {
	ask   func(from, to netip.AddrPort) (uid int, err error)
	now   func() time.Time
	since time.Time
	known map[senderKey]int // -1: nobody's
	wrong error             // why nothing could be found out the last time
}

type senderKey struct {
	from netip.AddrPort
	to   uint16
}

func newSenders(ask func(from, to netip.AddrPort) (int, error)) *senders {
	return &senders{ask: ask, now: time.Now, known: map[senderKey]int{}}
}

// is reports whether the sender's socket is of a uid. If it cannot be found out, it is
// not.
func (s *senders) is(uid int, from, to netip.AddrPort) bool {
	key := senderKey{from, to.Port()}
	if now := s.now(); now.Sub(s.since) >= sendersAge || len(s.known) >= sendersMost {
		clear(s.known)
		s.since = now
	}
	owner, known := s.known[key]
	if !known {
		var err error
		if owner, err = s.ask(from, to); err != nil {
			owner = -1
		}
		if !errors.Is(err, socket.ErrNoSocket) {
			s.wrong = err
		}
		s.known[key] = owner
	}
	return owner == uid
}
