package statsd

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"supd/privdrop/files"
	"supd/supervisor/record"
)

// store is the file of what was counted, for the next supd.
type store struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex // one writes at a time
	failed bool       // the last time
	newest uint64     // number of what was written last
}

// write writes what was counted, unless something newer was written before.
func (s *store) write(c Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.number < s.newest {
		return
	}
	s.newest = c.number
	text, err := json.Marshal(c)
	if err == nil {
		err = record.ReplaceFile(s.path, text)
	}
	if err != nil && !s.failed {
		s.log.Error("what statsd has counted is not recorded: were supd killed, the next one would begin anew", "file", s.path, "error", err)
	}
	s.failed = err != nil
}

// Load goes on with what an earlier supd has counted in the same boot of the machine.
// It is called before any port is opened.
func (r *Reader) Load() {
	text, err := files.ReadOurs(r.file.path, record.MostBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var c Counts
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		r.log.Error("what an earlier supd has counted of statsd", "file", r.file.path, "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.books.restore(c)
	if r.forward != nil {
		r.forward.unsent.Add(c.Unsent)
	}
}

// Forget removes the file: nothing runs any more.
func (r *Reader) Forget() {
	r.file.mu.Lock()
	defer r.file.mu.Unlock()
	r.file.newest = math.MaxUint64
	if err := os.Remove(r.file.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Warn("record of statsd", "error", err)
	}
}

// While datagrams come and nobody asks, what was counted is written once in a while: a
// supd that is killed forgets no more than that. It takes a hundredth of a processor at
// most.
const (
	saveInterval = time.Second
	saveShare    = 100
)

// Save writes what was counted so far.
func (r *Reader) Save() { r.file.write(r.snapshot()) }

func (r *Reader) snapshot() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.books.counts(r.ports)
	if r.forward != nil {
		c.Unsent = r.forward.unsent.Load()
	}
	r.savedAt = time.Now()
	r.saves++
	c.number = r.saves
	return c
}

// saveSoon saves in a while, in a goroutine of its own, if nobody is about to: what was
// read last is not left for the next datagram to come.
func (r *Reader) saveSoon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.willSave {
		r.willSave = true
		time.AfterFunc(max(saveInterval, saveShare*r.saveTook)-time.Since(r.savedAt), r.saveNow)
	}
}

func (r *Reader) saveNow() {
	r.mu.Lock()
	r.willSave = false // for what is read from now on
	r.mu.Unlock()
	begin := time.Now()
	r.Save()
	r.mu.Lock()
	r.saveTook = time.Since(begin)
	r.mu.Unlock()
}

// Counts reads what waits at the ports, gives all that was counted, and records it: what
// is shown then does not go back when supd is killed. What keep does not want is forgotten: of
// slots that are no more, and of releases that nobody can go back to. A slot's own has
// no release, and that of a process no slot.
func (r *Reader) Counts(keep func(Origin) bool) Counts {
	r.mu.Lock()
	until := time.Now().Add(drainTime)
	for _, p := range r.ports { // what is left then shows the next time
		r.drain(p, until)
	}
	r.books.prune(r.ports, keep)
	r.mu.Unlock()
	c := r.snapshot()
	if len(c.Slots) > 0 {
		r.record(c)
	}
	return c
}

// drainTime is how long ports are read for whoever asks.
const drainTime = 20 * time.Millisecond

// recordTime is how long the file is waited for at most: a disk may not answer.
const recordTime = 250 * time.Millisecond

// record writes what is to be shown.
func (r *Reader) record(c Counts) {
	written := make(chan struct{})
	go func() {
		r.file.write(c)
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(recordTime):
	}
}

// Requests are those that a launch has answered, as far as they are read, and those of
// them that have failed (5xx). It waits for nobody.
func (p *Port) Requests() (all, failed int64) {
	if p.tally == nil {
		return 0, 0
	}
	return p.tally.all.Load(), p.tally.failed.Load()
}
