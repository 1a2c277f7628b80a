package tree

import (
	"sync/atomic"
	"time"
)

// Each reads something of many processes in one goroutine, and gives up each that does not
// let itself be read as Within does; it has no answer then. A reader is used by one
// goroutine at a time, which may be one that was given up: each has its own.
func Each[T any](pids []int, reader func() func(pid int) T) map[int]T {
	return each(pids, readTime, reader)
}

func each[T any](pids []int, limit time.Duration, reader func() func(pid int) T) map[int]T {
	all := make(map[int]T, len(pids))
	for len(pids) > 0 {
		w := walk[T]{pids: pids, answers: make([]answer[T], len(pids)), ended: make(chan struct{})}
		go w.run(reader())
		done := w.await(limit)
		for i, a := range w.answers[:done] {
			if a.is {
				all[pids[i]] = a.value
			}
		}
		pids = pids[min(done+1, len(pids)):] // the one that it was given up at is left out
	}
	return all
}

type answer[T any] struct {
	value T
	is    bool
}

// walk reads of one process after the other. step is twice the number of those that it has
// done with, and one more while it keeps an answer; abandoned, once nobody waits for it.
type walk[T any] struct {
	pids    []int
	answers []answer[T]
	step    atomic.Int64
	ended   chan struct{}
}

const abandoned = -1

func (w *walk[T]) run(read func(pid int) T) {
	for i, pid := range w.pids {
		var a answer[T]
		if a.is = !isStuck(pid); a.is {
			a.value = read(pid)
		}
		now := int64(2 * i)
		if !w.step.CompareAndSwap(now, now+1) {
			release(pid)
			return
		}
		w.answers[i] = a
		w.step.Store(now + 2)
	}
	close(w.ended)
}

// await waits for the end, and gives how many it has done with: fewer than all when it
// has stayed at the next one for the limit.
func (w *walk[T]) await(limit time.Duration) int {
	late := time.NewTicker(limit)
	defer late.Stop()
	for last := int64(abandoned); ; {
		select {
		case <-w.ended:
			return len(w.pids)
		case <-late.C:
		}
		now := w.step.Load()
		if now != last || now%2 == 1 || now/2 == int64(len(w.pids)) {
			last = now
			continue
		}
		hold(w.pids[now/2])
		if w.step.CompareAndSwap(now, abandoned) {
			return int(now / 2)
		}
		release(w.pids[now/2])
	}
}
