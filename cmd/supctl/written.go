package main

import (
	"io"
	"os"
	"sync/atomic"
)

// written is an output that knows of a write which has failed: what nobody has read is
// no success. Any goroutine may write to it.
type written struct {
	io.Writer
	lost atomic.Pointer[error] // the first
}

func (w *written) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.lost.CompareAndSwap(nil, &err)
	}
	return n, err
}

// error is nil if all was written.
func (w *written) error() error {
	if err := w.lost.Load(); err != nil {
		return *err
	}
	return nil
}

// fileOf is the file that an output goes to, nil if it is none.
func fileOf(w io.Writer) *os.File {
	w = asItIs(w)
	if through, ok := w.(*written); ok {
		w = through.Writer
	}
	f, _ := w.(*os.File)
	return f
}
