package statsd

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"supd/supervisor/api"
)

// Refusal is why something that was sent does not count.
type Refusal string

// The refusals.
const (
	Stranger  Refusal = "sender"    // its socket is not the worker's user's, or is closed already
	TooLong   Refusal = "too_long"  // a datagram of more than 8 KiB
	Malformed Refusal = "malformed" // a line that is no statsd
	BadName   Refusal = "name"      // too long, or one of supd's own
	BadLabels Refusal = "labels"    // too many, too long, or not to be had as labels
	BadValue  Refusal = "value"     // not a number, or a counter that goes back
	TooMany   Refusal = "series"    // the app has as many as it may
)

// Refusals are all of them.
var Refusals = []Refusal{Stranger, TooLong, Malformed, BadName, BadLabels, BadValue, TooMany}

// Slot is what the workers of one slot have sent.
type Slot struct {
	Origin            // of no release
	Datagrams int64   `json:"datagrams"` // that count
	Dropped   int64   `json:"dropped,omitempty"`
	Refused   Refused `json:"refused,omitempty"`
}

// Refused counts by reason.
type Refused map[Refusal]int64

// Requests are those that the workers of a slot and a release have answered.
type Requests struct {
	Origin
	ByClass [5]int64 `json:"by_class"` // 1xx to 5xx
}

// Durations are those of the requests to a process, of a release; in seconds.
type Durations struct {
	Origin // of no slot
	Distribution
}

// Launch is what is remembered of one that lives.
type Launch struct {
	Drops    uint32 `json:"drops,omitempty"` // that Slot.Dropped has
	Inode    uint64 `json:"inode"`           // of the socket that they are of
	Requests int64  `json:"requests,omitempty"`
	Failed   int64  `json:"failed,omitempty"`
}

// Counts is all that was counted.
type Counts struct {
	Slots     []Slot            `json:"slots,omitempty"`
	Requests  []Requests        `json:"requests,omitempty"`
	Durations []Durations       `json:"durations,omitempty"`
	Series    []Series          `json:"series,omitempty"`
	Launches  map[string]Launch `json:"launches,omitempty"`
	Unsent    int64             `json:"unsent,omitempty"` // datagrams that could not be forwarded

	number uint64 // of the later more
}

// books is what Counts is made of, while it is counted.
type books struct {
	slots     map[Origin]*Slot
	requests  map[Origin]*Requests
	durations map[Origin]*Durations
	apps      map[string]*shelf
	launches  map[string]Launch // of an earlier supd, until it is opened
}

func newBooks() *books {
	return &books{slots: map[Origin]*Slot{}, requests: map[Origin]*Requests{}, durations: map[Origin]*Durations{},
		apps: map[string]*shelf{}, launches: map[string]Launch{}}
}

// tally is where the datagrams of one port count.
type tally struct {
	slot      *Slot
	requests  *Requests
	durations *Durations
	shelf     *shelf
	all       atomic.Int64 // requests of this launch alone
	failed    atomic.Int64 // of them, those answered with 5xx
}

// refuse counts what does not count; "" is what does. The first one of a kind is logged,
// by the name that it has.
func (r *Reader) refuse(t *tally, why Refusal, n int64, text string) {
	if why == "" || n <= 0 {
		return
	}
	if t.slot.Refused[why] == 0 {
		name, _, _ := strings.Cut(text, ":")
		r.log.Warn("statsd that does not count; more like it is counted alone", "worker", t.slot.worker(), "reason", string(why), "name", name[:min(len(name), shownName)])
	}
	t.slot.Refused[why] += n
}

// shownName is how much of a name is logged, in bytes.
const shownName = 64

func (o Origin) worker() string { return api.WorkerName(o.App, o.Process, o.Slot) }

// open gives the books of a port's datagrams. resumed says that an earlier supd has
// opened it.
func (b *books) open(p *Port, resumed bool) *tally {
	o := p.source.Origin
	slot, process := Origin{App: o.App, Process: o.Process, Slot: o.Slot}, Origin{App: o.App, Process: o.Process, Release: o.Release}
	t := &tally{
		slot:      entry(b.slots, slot, func() *Slot { return &Slot{Origin: slot, Refused: Refused{}} }),
		requests:  entry(b.requests, o, func() *Requests { return &Requests{Origin: o} }),
		durations: entry(b.durations, process, func() *Durations { return &Durations{Origin: process, Distribution: newDistribution()} }),
		shelf:     entry(b.apps, o.App, newShelf),
	}
	if l, ok := b.launches[p.source.Launch]; ok && resumed {
		delete(b.launches, p.source.Launch)
		t.all.Store(l.Requests)
		t.failed.Store(l.Failed)
		if l.Inode == p.inode {
			p.drops = l.Drops
		}
	}
	return t
}

func entry[K comparable, V any](all map[K]*V, key K, fresh func() *V) *V {
	v := all[key]
	if v == nil {
		v = fresh()
		all[key] = v
	}
	return v
}

// close forgets what was so only while the slot had a worker: its gauges.
func (b *books) close(p *Port, open map[int32]*Port) {
	if p.tally == nil {
		return
	}
	for _, other := range open {
		if other.tally != nil && other.tally.slot == p.tally.slot {
			return
		}
	}
	p.tally.shelf.forgetGauges(p.tally.slot.Origin)
}

// prune forgets what keep does not want of what no open port counts for.
func (b *books) prune(open map[int32]*Port, keep func(Origin) bool) {
	used, inUse := map[Origin]bool{}, map[*shelf]bool{}
	for _, p := range open {
		if t := p.tally; t != nil {
			used[t.slot.Origin], used[t.requests.Origin], used[t.durations.Origin], inUse[t.shelf] = true, true, true, true
		}
	}
	gone := func(o Origin) bool { return !used[o] && !keep(o) }
	maps.DeleteFunc(b.slots, func(o Origin, _ *Slot) bool { return gone(o) })
	maps.DeleteFunc(b.requests, func(o Origin, _ *Requests) bool { return gone(o) })
	maps.DeleteFunc(b.durations, func(o Origin, _ *Durations) bool { return gone(o) })
	maps.DeleteFunc(b.apps, func(_ string, s *shelf) bool {
		s.drop(func(one *Series) bool { return gone(one.Origin) })
		return len(s.series) == 0 && !inUse[s]
	})
}

// counts copies all.
func (b *books) counts(open map[int32]*Port) Counts {
	c := Counts{Launches: maps.Clone(b.launches)}
	for _, p := range open {
		if t := p.tally; t != nil {
			p.countDrops()
			c.Launches[p.source.Launch] = Launch{p.drops, p.inode, t.all.Load(), t.failed.Load()}
		}
	}
	for _, s := range b.slots {
		one := *s
		one.Refused = maps.Clone(s.Refused)
		c.Slots = append(c.Slots, one)
	}
	for _, r := range b.requests {
		if r.ByClass != [5]int64{} { // else it serves none, or says nothing of them
			c.Requests = append(c.Requests, *r)
		}
	}
	for _, d := range b.durations {
		if len(d.Buckets) > 0 {
			c.Durations = append(c.Durations, Durations{d.Origin, d.Distribution.clone()})
		}
	}
	for _, shelf := range b.apps {
		c.Series = append(c.Series, shelf.all()...)
	}
	c.sort()
	return c
}

// sort makes the same counts the same text.
func (c *Counts) sort() {
	slices.SortFunc(c.Slots, func(a, b Slot) int { return a.Origin.compare(b.Origin) })
	slices.SortFunc(c.Requests, func(a, b Requests) int { return a.Origin.compare(b.Origin) })
	slices.SortFunc(c.Durations, func(a, b Durations) int { return a.Origin.compare(b.Origin) })
	slices.SortFunc(c.Series, func(a, b Series) int {
		return cmp.Or(a.Origin.compare(b.Origin), strings.Compare(a.Name, b.Name), slices.CompareFunc(a.Labels, b.Labels, Label.compare))
	})
}

func (o Origin) compare(p Origin) int {
	return cmp.Or(strings.Compare(o.App, p.App), strings.Compare(o.Process, p.Process), cmp.Compare(o.Slot, p.Slot), strings.Compare(o.Release, p.Release))
}

// restore goes on with what an earlier supd has counted.
func (b *books) restore(c Counts) {
	for _, s := range c.Slots {
		if s.Refused == nil {
			s.Refused = Refused{}
		}
		b.slots[s.Origin] = &s
	}
	for _, r := range c.Requests {
		b.requests[r.Origin] = &r
	}
	for _, d := range c.Durations {
		d.Distribution = d.Distribution.clone()
		b.durations[d.Origin] = &d
	}
	for _, s := range c.Series {
		entry(b.apps, s.App, newShelf).restore(s)
	}
	if c.Launches != nil {
		b.launches = c.Launches
	}
}
