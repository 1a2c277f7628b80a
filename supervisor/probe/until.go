package probe

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// longest bounds the time between two questions, and answerTime that of one.
	longest    = time.Second
	answerTime = 3 * time.Second
)

// Until asks at once and again and again until the answer is nil, first after
// every, then with growing pauses of at most a second. When ctx ends, the error
// has the last answer.
func Until(ctx context.Context, every time.Duration, ask func(context.Context) error) error {
	var last error
	for {
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
			return fmt.Errorf("not ready: %w", last)
		}
		every = min(every*3/2, longest)
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
