package control

import (
	"net/http"

	"supd/supervisor/api"
)

// turns let the requests that take long or much be carried out one at a time: those of
// guests after each other, and the others, which need not wait for them.
type turns struct{ guests, others chan struct{} }

func newTurns() turns { return turns{make(chan struct{}, 1), make(chan struct{}, 1)} }

// take waits for the turn of a request, unless its client goes before.
func (t turns) take(r *http.Request) (done func(), err error) {
	turn := t.guests
	if peerFrom(r).mayAct() {
		turn = t.others
	}
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-r.Context().Done():
		return nil, fail(api.CodeFailed, "the client has gone")
	}
}
