package supervisor

import (
	"errors"

	"supd/supervisor/engine"
)

var errDiskWaits = errors.New("the disk of the state directory does not answer")

// writing writes what the owner has changed in a goroutine of its own, in order, since a
// disk may not answer.
type writing[T any] struct {
	queue chan toWrite[T]
	post  func(engine.Event)
}

// toWrite is what is to be written, and the event of that.
type toWrite[T any] struct {
	what    T
	written func(error) engine.Event
}

// startWriting has room for so many that wait. end follows the last write, after close.
func startWriting[T any](room int, post func(engine.Event), write func(T) error, end func()) *writing[T] {
	w := &writing[T]{make(chan toWrite[T], room), post}
	go func() {
		defer end()
		for next := range w.queue {
			post(next.written(write(next.what)))
		}
	}()
	return w
}

// add runs in the owner's goroutine. What finds no room is refused.
func (w *writing[T]) add(what T, written func(error) engine.Event) {
	select {
	case w.queue <- toWrite[T]{what, written}:
	default:
		go w.post(written(errDiskWaits))
	}
}

func (w *writing[T]) close() { close(w.queue) }
