package engine

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"supd/configs"
	"supd/supervisor/record"
)

// bench is a host that does nothing, and workers that are there at once.
type bench struct {
	proc
	started []Launch
	pid     int
}

func (b *bench) Start(l Launch) (cancel func()) {
	b.started = append(b.started, l)
	return func() {}
}

func (b *bench) Adopt(Launch, *record.Worker, bool) Handle { return Handle{} }
func (b *bench) Explain(Launch) (string, error)            { return "", nil }

func (*bench) Hooks(Launch, Process, HookRun)                          {}
func (b *bench) Reap(func(int) bool) []Exit                            { return nil }
func (b *bench) Sweep(_, _ []int, done func(Swept) Event)              {}
func (b *bench) KillStrays(int, []int, func([]Stray) Event)            {}
func (b *bench) Join(Launch, Process)                                  {}
func (b *bench) Treat(Launch, Process)                                 {}
func (b *bench) Open(map[string]configs.Socket, bool) map[string]error { return nil }
func (b *bench) Relisten([]string)                                     {}
func (b *bench) Inodes(string) []uint64                                { return nil }
func (b *bench) Offered(string, configs.Socket) bool                   { return false }
func (b *bench) Reach(_ string, then func(error))                      { go then(nil) }
func (b *bench) Repair(Damage) (bool, error)                           { return false, nil }

// turn is a turn of the loop, as Run does it.
func (b *bench) turn(o *Owner) {
	now := time.Now()
	o.touchDue(now)
	o.roll(now)
	o.settle(now)
	o.answer(now)
	o.show(now)
	o.save(time.Now())
}

// launched ends all launches: the workers are ready at once.
func (b *bench) launched(o *Owner) {
	for len(b.started) > 0 {
		all := b.started
		b.started = nil
		for _, l := range all {
			b.pid++
			l.Started(Handle{Record: record.Process{Pid: b.pid}, Process: b, Observer: b})(o)
			l.Ready("benchmark")(o)
		}
		b.turn(o)
	}
}

// BenchmarkEvent is one worker that dies, and its replacement, among so many. What it
// costs must not grow with their number: "one" is a process with that count, "own" a
// process for each.
func BenchmarkEvent(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("one-%d", n), func(b *testing.B) { benchmarkEvent(b, configured("web", n)) })
		own := make([]configs.Process, n)
		for i := range own {
			own[i] = configured(fmt.Sprintf("p%d", i), 1)
		}
		b.Run(fmt.Sprintf("own-%d", n), func(b *testing.B) { benchmarkEvent(b, own...) })
	}
}

func benchmarkEvent(b *testing.B, processes ...configs.Process) {
	h := &bench{pid: 1}
	save := func(_ *record.Record, written func(), done func(bool) Event) {}
	o := New(slog.New(slog.DiscardHandler), Host{Reaper: h, Sockets: h, Save: save, Changed: func(Change) {}}, "")
	a := &configs.App{Name: "a", Processes: processes, Rollout: configs.Rollout{Surge: configs.Surge{Workers: 1}}}
	one := App{Config: a, Revisions: map[string]Revision{}}
	for i := range processes {
		one.Revisions[processes[i].Name] = Revision{Config: &processes[i], Key: "k", Program: h}
	}
	if err := o.Apply(Prepared{Config: &configs.Config{Apps: []configs.App{*a}}, Apps: []App{one}}); err != nil {
		b.Fatal(err)
	}
	h.turn(o)
	h.launched(o)
	o.saving = false
	o.save(time.Now())
	slots := []*slot{}
	o.eachSlot(func(s *slot) { slots = append(slots, s) })
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s := slots[i%len(slots)]
		i++
		w := s.workers[0]
		w.Ready = time.Time{}.Add(time.Hour) // long ago: it is restarted at once
		o.ended(w, Exit{Pid: w.Pid, Code: 1})
		h.turn(o)
		h.launched(o)
		o.dead, s.sweeps, o.saving = nil, 0, false
	}
}
