package probe

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// shortest and longest bound the pause between two questions, answerTime bounds
	// one question. So a server that accepts late finds few of them in its queue.
	shortest   = time.Millisecond
	longest    = time.Second
	answerTime = 3 * time.Second
)

// Until asks at once, and again until the answer is nil: first after every, then
// after growing pauses of at most a second. When ctx ends, the error wraps the last
// answer.
func Until(ctx context.Context, every time.Duration, ask func(context.Context) error) error {
	begin := time.Now()
	var last error
	for every = max(every, shortest); ; every = min(every*3/2, longest) {
		if err := once(ctx, ask); err == nil {
			return nil
		} else if ctx.Err() == nil || last == nil {
			last = err
		}
		timer := time.NewTimer(every)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("not ready after %s: %w", time.Since(begin).Round(time.Millisecond), last)
		}
	}
}

func once(ctx context.Context, ask func(context.Context) error) error {
	one, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := ask(one)
	if err != nil && ctx.Err() == nil && errors.Is(one.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", answerTime)
	}
	return err
}
