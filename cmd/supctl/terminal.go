package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// terminal shows a rollout as a board that is drawn again and again in the same
// place.
type terminal struct {
	out     io.Writer
	size    func() (width, height int)
	colored bool
	end     func() // ends the goroutines that draw

	mu    sync.Mutex // lines, status and time come from three goroutines
	board board
	drawn int // lines
}

func newTerminal(ctx context.Context, c *call, f *followed) *terminal {
	ctx, cancel := context.WithCancel(ctx)
	t := &terminal{out: c.out, size: sizeOf(c.out), colored: c.colored(), board: newBoard(f.app, f.rollout)}
	var running sync.WaitGroup
	running.Go(func() { t.tick(ctx) })
	running.Go(func() { t.watch(ctx, f.client, f.app) })
	t.end = func() {
		cancel()
		running.Wait()
		t.look(f.client, f.app)
	}
	return t
}

// sizeOf gives a function that asks the terminal for its size, which may change.
func sizeOf(out io.Writer) func() (int, int) {
	return func() (width, height int) {
		if f := fileOf(out); f != nil {
			width, height, _ = term.GetSize(int(f.Fd())) // of one that does not tell they are 0 or below
		}
		if width <= 0 {
			width = 80
		}
		if height <= 0 {
			height = 24
		}
		return width, height
	}
}

func (t *terminal) add(l control.RolloutLine) { t.change(func(b *board) { b.add(l) }) }

func (t *terminal) note(text string) { t.change(func(b *board) { b.note = text }) }

// close draws the board for the last time and leaves it there.
func (t *terminal) close() {
	t.end()
	t.change(func(b *board) { b.final = true })
}

// tick draws the board every second, so that its clocks go on.
func (t *terminal) tick(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.change(func(*board) {})
		case <-ctx.Done():
			return
		}
	}
}

// watch keeps the workers' states up to date. While supd does not answer, it tries
// again.
func (t *terminal) watch(ctx context.Context, client *control.Client, app string) {
	for ctx.Err() == nil {
		err := client.Watch(ctx, []string{app}, func(status *api.Status) error {
			t.change(func(b *board) { b.status(status) })
			return nil
		})
		if err != nil && !control.NoAnswer(err) {
			return
		}
		again := time.NewTimer(knockTime)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
		}
	}
}

// look brings the workers' states up to date, for the last time.
func (t *terminal) look(client *control.Client, app string) {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	if status, err := client.Status(ctx, app); err == nil {
		t.change(func(b *board) { b.status(status) })
	}
}

// change changes the board and draws it.
func (t *terminal) change(f func(*board)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.board)
	width, height := t.size()
	lines := t.board.lines(time.Now(), width, height, t.colored)
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", t.drawn) // cursor up: ECMA-48
	}
	b.WriteString("\r\x1b[J") // erase what is below
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	t.drawn = len(lines)
	_ = draw(t.out, b.String()) // it fails if the terminal has gone
}
