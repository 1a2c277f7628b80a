package control

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// pace gives each user so many turns at once, and then one at a time, by uid. A guest who
// asks in a loop would take a processor, and what he is refused would fill the log.
type pace struct {
	every time.Duration
	burst int

	mu sync.Mutex
	at map[int]time.Time // the next turn
}

func requestPace() *pace { return &pace{every: 10 * time.Millisecond, burst: 50} }
func refusalPace() *pace { return &pace{every: time.Second, burst: 10} }

// next takes a turn, and says how long to wait for it.
func (p *pace) next(uid int, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.turn(uid, now)
	p.at[uid] = at.Add(p.every)
	return at.Sub(now)
}

// has takes a turn if there is one now.
func (p *pace) has(uid int, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.turn(uid, now)
	if at.After(now) {
		return false
	}
	p.at[uid] = at.Add(p.every)
	return true
}

// turn is the user's next one. Who has not taken any for long is forgotten.
func (p *pace) turn(uid int, now time.Time) time.Time {
	full := now.Add(-time.Duration(p.burst-1) * p.every)
	if p.at == nil {
		p.at = map[int]time.Time{}
	}
	if len(p.at) > mostGuests {
		maps.DeleteFunc(p.at, func(_ int, at time.Time) bool { return at.Before(full) })
	}
	if at := p.at[uid]; at.After(full) {
		return at
	}
	return full
}

// paced lets guests wait for their turn.
func paced(p *pace, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := peerFrom(r); !who.mayAct() {
			rest(r.Context(), p.next(who.uid, time.Now()))
		}
		next.ServeHTTP(w, r)
	})
}
