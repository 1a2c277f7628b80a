package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const kills = 30

// lives are how long the worker lives before it is killed, and how often that is done.
var lives = []struct {
	time  time.Duration
	kills int
}{{20 * time.Millisecond, kills}, {2500 * time.Millisecond, 7}}

// replacement kills one worker again and again.
func replacement(ctx context.Context, b *bench) error {
	for _, life := range lives {
		medians := map[string]time.Duration{}
		for _, k := range []kind{limitKind, supdKind} {
			var times []time.Duration
			err := b.with(ctx, k, oneCount, 1, func(_ *process, f *fifo, started []record) error {
				for range life.kills {
					time.Sleep(life.time)
					began := now()
					if err := unix.Kill(started[0].pid, unix.SIGKILL); err != nil {
						return err
					}
					var err error
					if started, err = f.read(ctx, 1); err != nil {
						return err
					}
					times = append(times, started[0].at-began)
				}
				return nil
			})
			if err != nil {
				return err
			}
			medians[k.name] = median(times)
		}
		supd, limit := medians[supdKind.name], medians[limitKind.name]
		b.add(row{fmt.Sprintf("killed after %s, its replacement in its main", life.time), millis(supd), millis(limit) + " C limit", ratio(supd, limit), "≤ 2"})
	}
	return nil
}
