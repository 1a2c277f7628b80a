package files

import "context"

// Soon does something that may wait for ever, as for a disk that does not answer. The error
// is ctx's, where that has ended before: then do goes on in a goroutine that nobody needs,
// and must leave alone what the caller goes on with. ended is closed when it has ended.
func Soon(ctx context.Context, do func()) (ended <-chan struct{}, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
		return done, nil
	case <-ctx.Done():
		return done, ctx.Err()
	}
}
