package output

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// outletRoom is how many bytes wait to be written to an outlet; more is dropped.
	outletRoom = 4 << 20
	// outletPatience is how long a worker's lines wait to be written before they are
	// left to the outlet, which is once for as long as that does not come after: until
	// then a supd that is killed loses none of them.
	outletPatience = 100 * time.Millisecond
	// outletPortion is how much is handed over at once.
	outletPortion = 64 << 10
)

// outlet writes what several logs share, such as standard output. A goroutine of its own
// does it while there is anything: whoever is to read it may not.
type outlet struct {
	name     string // for messages
	log      *slog.Logger
	writer   outletWriter
	patience time.Duration

	mu      sync.Mutex // the captures of all workers hand over to it
	queue   []portion
	flying  []portion    // that are being written
	counted bool         // those are counted as dropped
	bytes   int          // of both
	shares  map[*Log]int // the same, by log
	runs    bool
	slow    bool // somebody has waited in vain; nobody does until all is written
	failing bool // what was said last
	dropped int  // bytes of output, since it fails
	waiting []chan struct{}
}

// outletWriter writes to where an outlet leads to. It is called by one goroutine.
type outletWriter interface {
	// write writes portions, and returns how many of them it has. A *laterError says that
	// the next one is to be tried again; after others it is lost.
	write(all []portion) (int, error)
	close() // until there is something to write again
}

// portion is what is written as a whole.
type portion struct {
	text    []byte
	log     *Log
	output  int           // bytes that the worker has written
	written chan struct{} // closed when it is, or is lost; may be nil
}

// laterError says when to try again.
type laterError struct {
	error
	after time.Duration
}

func (e *laterError) Unwrap() error { return e.error }

var errUnread = errors.New("nobody reads it")

// hand takes portions, and waits a moment for them to be written. What finds no room is
// dropped.
func (o *outlet) hand(all ...portion) {
	written := make(chan struct{})
	o.mu.Lock()
	took := 0 // of all
	for _, p := range all {
		if !o.hasRoom(p) {
			o.drop(p, errUnread)
			continue
		}
		o.queue = append(o.queue, p)
		o.holds(p, len(p.text))
		took++
	}
	if took > 0 {
		o.queue[len(o.queue)-1].written = written
		o.start()
	}
	patient := took > 0 && !o.slow
	o.mu.Unlock()
	if !patient {
		return
	}
	late := time.NewTimer(o.patience)
	defer late.Stop()
	select {
	case <-written:
	case <-late.C:
		o.mu.Lock()
		o.slow = o.runs
		o.mu.Unlock()
	}
}

// hasRoom reports whether a portion may wait. One log may have so much of the room only
// that there is some for the others, however much its workers print.
func (o *outlet) hasRoom(p portion) bool {
	free := outletRoom - o.bytes
	return len(p.text) <= free && o.shares[p.log]+len(p.text) <= outletShare*free
}

// outletShare is how many times what is free one log may have of the room.
const outletShare = 3

// holds counts bytes of a portion that wait, or do not any more.
func (o *outlet) holds(p portion, bytes int) {
	if o.shares == nil {
		o.shares = map[*Log]int{}
	}
	o.bytes += bytes
	if o.shares[p.log] += bytes; o.shares[p.log] == 0 {
		delete(o.shares, p.log)
	}
}

func (o *outlet) start() {
	if !o.runs {
		o.runs = true
		go o.run()
	}
}

// drop counts what is lost, and says so if that is new.
func (o *outlet) drop(p portion, why error) {
	p.log.counts(0, p.output)
	o.dropped += p.output
	if p.written != nil {
		close(p.written)
	}
	o.say(why)
}

// say reports trouble once, and once that it is over.
func (o *outlet) say(err error) {
	if o.failing == (err != nil) {
		return
	}
	o.failing = err != nil
	switch {
	case o.log == nil:
	case err != nil:
		o.log.Error(o.name+" cannot be written, output is dropped if that lasts", "error", err)
	default:
		o.log.Warn(o.name+" is written again", "dropped_bytes", o.dropped)
	}
	if err == nil {
		o.dropped = 0
	}
}

// run writes until there is nothing left.
func (o *outlet) run() {
	for batch := o.take(); batch != nil; batch = o.take() {
		n, err := o.writer.write(batch)
		if pause := o.wrote(n, err); pause > 0 {
			time.Sleep(pause)
		}
	}
}

// take is nil at the end.
func (o *outlet) take() []portion {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		o.runs, o.slow, o.queue = false, false, nil
		for _, one := range o.waiting {
			close(one)
		}
		o.waiting = nil
		return nil
	}
	o.flying, o.queue = o.queue, nil
	return o.flying
}

// wrote notes what has become of what was taken: n portions are written, and the next one
// is lost or to be tried again after a pause, as err says. The rest waits again.
func (o *outlet) wrote(n int, err error) (pause time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counted {
		for i := range o.flying {
			o.flying[i].output = 0
		}
	}
	done, rest := o.flying[:n], o.flying[n:]
	o.flying, o.counted = nil, false
	for _, p := range done {
		o.holds(p, -len(p.text))
		p.log.counts(p.output, 0)
		if p.written != nil {
			close(p.written)
		}
	}
	later, isLater := errors.AsType[*laterError](err)
	switch {
	case isLater:
		o.say(err)
		pause = later.after
	case err != nil && len(rest) > 0:
		o.holds(rest[0], -len(rest[0].text))
		o.drop(rest[0], err)
		rest = rest[1:]
	case n > 0:
		o.say(nil)
	}
	o.queue = append(rest, o.queue...)
	return pause
}

// flush waits until all is written, but not for long. What is not by then is dropped.
func (o *outlet) flush(late <-chan time.Time) {
	o.mu.Lock()
	if !o.runs {
		o.mu.Unlock()
		return
	}
	all := make(chan struct{})
	o.waiting = append(o.waiting, all)
	o.mu.Unlock()
	select {
	case <-all:
		return
	case <-late:
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.queue {
		o.holds(p, -len(p.text))
		o.drop(p, errUnread)
	}
	o.queue = nil
	for _, p := range o.flying { // it may be written yet, and is not counted twice then
		if !o.counted {
			p.log.counts(0, p.output)
		}
	}
	o.counted = o.flying != nil
}

// outlets are those of a set of Files, by name.
type outlets struct {
	log      *slog.Logger
	stdout   io.Writer // which may wait for ever
	patience time.Duration

	mu  sync.Mutex // logs are opened, and changed, at the same time
	all map[string]*outlet
}

func newOutlets(log *slog.Logger) *outlets {
	return &outlets{log: log, stdout: shown(os.Stdout), patience: outletPatience, all: map[string]*outlet{}}
}

// get gives the outlet of that name, made when it is needed first.
func (o *outlets) get(name string, begin func() outletWriter) *outlet {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all[name] == nil {
		o.all[name] = &outlet{name: name, log: o.log, writer: begin(), patience: o.patience}
	}
	return o.all[name]
}

// rest closes those that are not used, for now.
func (o *outlets) rest(used map[*outlet]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, one := range o.all {
		if !used[one] {
			one.mu.Lock()
			if !one.runs { // the writer is the goroutine's while there is one
				one.writer.close()
			}
			one.mu.Unlock()
		}
	}
}

// flushTime is how long what waits is written at the end.
const flushTime = time.Second

// flush waits for all outlets.
func (o *outlets) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	var each sync.WaitGroup
	for _, one := range o.all {
		each.Go(func() {
			late := time.NewTimer(flushTime)
			defer late.Stop()
			one.flush(late.C)
		})
	}
	each.Wait()
}

// Flush waits until what was captured is written to where it goes that is no file, but
// not for long. What nobody takes by then is dropped.
func (f *Files) Flush() { f.outlets.flush() }

// outletLog is a sink: lines that go to an outlet.
type outletLog struct {
	outlet *outlet
	format format
}

// format says how lines are written.
type format interface {
	// put appends one line of a worker.
	put(to []byte, l *Log, from *Capture, at time.Time, message []byte) []byte
	limits() (most int, apart bool) // bytes of a line, and whether each is a portion
}

// write hands lines over.
func (s *outletLog) write(l *Log, from *Capture, p []byte) {
	most, apart := s.format.limits()
	at, all, size := time.Now(), []portion{{log: l}}, 0
	for rest := p; len(rest) > 0; {
		n := messageIn(rest, most)
		now := &all[len(all)-1]
		now.output += n
		before := len(now.text)
		if message, is := from.message(rest[:n]); is {
			now.text = s.format.put(now.text, l, from, at, message)
		}
		rest, size = rest[n:], size+len(now.text)-before
		switch {
		case size >= outletPortion || len(rest) == 0:
			s.hand(l, all)
			all, size = []portion{{log: l}}, 0
		case apart && len(now.text) > 0:
			all = append(all, portion{log: l})
		}
	}
	from.in.wrote(len(p), 0, false)
}

// hand hands portions over, unless the log is closed.
func (s *outletLog) hand(l *Log, all []portion) {
	if last := all[len(all)-1]; len(last.text) == 0 { // the end of a line that was missing
		l.counts(last.output, 0)
		all = all[:len(all)-1]
	}
	if !l.closed {
		s.outlet.hand(all...)
		return
	}
	for _, p := range all {
		l.counts(0, p.output)
	}
}

func (s *outletLog) rest()        {}
func (s *outletLog) close() error { return nil }
