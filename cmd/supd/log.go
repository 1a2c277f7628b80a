package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	logRoom   = 4 << 20     // bytes of lines that wait to be written
	flushTime = time.Second // for what waits, at the end
)

// logWriter hands supd's own log lines to a goroutine that writes them: whoever reads
// standard error may stop reading, and nothing must wait for that. What finds no room
// is dropped and counted, and the count is logged as soon as somebody reads again.
type logWriter struct {
	wake chan struct{} // with room for one: lines wait

	mu      sync.Mutex
	lines   []byte
	dropped int             // and not yet said
	lost    int             // of all time
	flushes []chan struct{} // to be closed once all lines before are written
}

func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{wake: make(chan struct{}, 1)}
	go w.run(to)
	return w
}

// run writes for as long as the process lives. That a line cannot be written can be
// said nowhere.
func (w *logWriter) run(to io.Writer) {
	for range w.wake {
		w.mu.Lock()
		lines, dropped, flushes := w.lines, w.dropped, w.flushes
		w.lines, w.dropped, w.flushes = nil, 0, nil
		w.mu.Unlock()
		_, _ = to.Write(lines)
		if dropped > 0 {
			slog.New(logHandler(to)).Warn("supd's own log lines were dropped: nobody has read them", "lines", dropped)
		}
		for _, flushed := range flushes {
			close(flushed)
		}
	}
}

// Write takes one line; slog's handlers write each with one call.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	if len(w.lines)+len(line) > logRoom {
		w.dropped++
		w.lost++
	} else {
		w.lines = append(w.lines, line...)
	}
	w.mu.Unlock()
	poke(w.wake)
	return len(line), nil
}

// droppedLines is how many were dropped since supd was started.
func (w *logWriter) droppedLines() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// flush waits until what was logged before is written, but not for long.
func (w *logWriter) flush() {
	flushed := make(chan struct{})
	w.mu.Lock()
	w.flushes = append(w.flushes, flushed)
	w.mu.Unlock()
	poke(w.wake)
	select {
	case <-flushed:
	case <-time.After(flushTime):
	}
}
