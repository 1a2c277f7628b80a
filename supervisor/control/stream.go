package control

import (
	"context"
	"net/http"
	"time"
)

// stream is an answer that goes on until the client goes or the server ends.
type stream struct {
	ctx     context.Context
	closing context.Context
	end     func() // to be called by whoever began it
	body    http.ResponseWriter
	conn    *http.ResponseController
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, kind string) *stream {
	ctx, cancel := context.WithCancel(r.Context())
	conn := http.NewResponseController(w)
	stop := context.AfterFunc(s.closing, func() {
		_ = conn.SetWriteDeadline(time.Now().Add(farewell)) // a client that does not read holds nobody up
		cancel()
	})
	willWrite(w)
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(http.StatusOK)
	_ = conn.Flush() // the client sees that it has begun; if it has gone, ctx ends
	return &stream{ctx, s.closing, func() { stop(); cancel() }, w, conn}
}

// Write sends p at once. It fails where the client does not read it in time.
func (s *stream) Write(p []byte) (int, error) {
	willWrite(s.body)
	if s.closing.Err() != nil { // the deadline of the end comes first
		_ = s.conn.SetWriteDeadline(time.Now().Add(farewell))
	}
	n, err := s.body.Write(p)
	if err != nil {
		return n, err
	}
	return n, s.conn.Flush()
}

// wait waits until changed is closed; false says that the stream ends.
func (s *stream) wait(changed <-chan struct{}) bool {
	select {
	case <-changed:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// rest waits for d; false says that the stream ends.
func (s *stream) rest(d time.Duration) bool { return rest(s.ctx, d) }

// rest waits for d; false says that ctx has ended before.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
