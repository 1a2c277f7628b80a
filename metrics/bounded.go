package metrics

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"supd/socket"
)

// bounded has no more connections at a time than it may. Any user of the machine can
// make some and leave them: whoever comes then takes the place of the one that has
// asked nothing for longest, or has not read its answer for answerTime.
type bounded struct {
	net.Listener
	most int

	mu   sync.Mutex // connections end in goroutines of their own
	held map[*held]struct{}
}

// answerTime is how long an answer is left to a client that others wait for: as long as
// Prometheus waits by default.
const answerTime = 10 * time.Second

func newBounded(l net.Listener, most int) *bounded {
	return &bounded{Listener: l, most: most, held: map[*held]struct{}{}}
}

// Accept closes what there is no place for.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		h := &held{Conn: c, of: b, since: time.Now()}
		if b.enter(h) {
			return h, nil
		}
		h.Close()
	}
}

func (b *bounded) enter(h *held) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.held) >= b.most {
		victim := b.longest(h.since)
		if victim == nil {
			return false
		}
		delete(b.held, victim)
		go victim.Close()
	}
	b.held[h] = struct{}{}
	return true
}

// longest is the connection that has asked nothing for longest; where all are answered,
// the one that has been for longest, if that is too long.
func (b *bounded) longest(now time.Time) (victim *held) {
	for h := range b.held {
		if h.answered && now.Sub(h.since) < answerTime {
			continue
		}
		if victim == nil || victim.answered && !h.answered || victim.answered == h.answered && h.since.Before(victim.since) {
			victim = h
		}
	}
	return victim
}

// held is a connection that gives its place back when it is closed.
type held struct {
	net.Conn
	of *bounded

	since    time.Time // it is as it is; with of.mu, as answered
	answered bool      // there is a whole request
}

func (h *held) Close() error {
	h.of.mu.Lock()
	delete(h.of.held, h)
	h.of.mu.Unlock()
	return socket.Close(h.Conn, func() {})
}

func (h *held) become(answered bool) {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	h.since, h.answered = time.Now(), answered
}

type heldKey struct{}

// knowing lets a request's connection be found.
func knowing(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, heldKey{}, c)
}

// answering marks connections while they are answered.
func answering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := r.Context().Value(heldKey{}).(*held); ok {
			h.become(true)
			defer h.become(false)
		}
		next.ServeHTTP(w, r)
	})
}
