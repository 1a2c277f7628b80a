package metrics

import (
	"strings"

	"golang.org/x/sys/unix"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/release"
	"supd/supervisor/statsd"
)

// Figures measures what `supctl top` and checks show, whether anybody scrapes or not.
// Whoever asks while others are measured for gets the same.
func (s *Server) Figures() (*api.Figures, error) {
	all, err, _ := s.looks.Do("", func() (any, error) { return s.collector.look() })
	if err != nil {
		return nil, err
	}
	return all.(*api.Figures), nil
}

// look measures the workers, and says what it has seen to nobody but who asks: what is
// shown here is no series, which must not go back.
func (c *collector) look() (*api.Figures, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := c.supd.Status()
	slots, _, err := c.measure(status)
	if err != nil {
		return nil, err
	}
	if c.proportional {
		c.memory.refresh(c.proc, status, slots, c.now)
	}
	queues := c.queues()
	requests := requestsOf(c.supd.Said())
	all := &api.Figures{At: c.now(), MemoryBytes: machineMemory(), Apps: make([]api.AppFigures, len(status.Apps))}
	for i := range status.Apps {
		all.Apps[i] = c.app(&status.Apps[i], slots, queues, requests)
	}
	return all, nil
}

func (c *collector) app(a *api.AppStatus, slots map[string]*figures, queues []supervisor.Queue, requests map[string]*api.Requests) api.AppFigures {
	all := api.AppFigures{Name: a.Name, Release: a.Release, State: a.State, Note: a.Note, Paused: pauseOf(a.Rollout),
		Sockets: socketsOf(a.Name, queues), Processes: make([]api.ProcessFigures, len(a.Processes))}
	for i := range a.Processes {
		p := &a.Processes[i]
		one := api.ProcessFigures{Name: p.Name, Sockets: append([]string{}, p.Sockets...), Workers: make([]api.WorkerFigures, len(p.Workers))}
		for n := range p.Workers {
			w := &p.Workers[n]
			one.Workers[n] = c.worker(w, slots[w.Name])
			one.Workers[n].Requests = requests[w.Name]
		}
		all.Processes[i] = one
	}
	return all
}

func (c *collector) worker(w *api.WorkerStatus, f *figures) api.WorkerFigures {
	var proportional int64
	if share := c.memory[w.Name]; share.ok {
		proportional = share.bytes
	}
	return api.WorkerFigures{Name: w.Name, Slot: w.Slot, State: w.State, Pid: w.Pid, Release: w.Release, Ready: w.Ready,
		Desired: w.Desired, Missed: w.IsMissed(), StartedAt: w.StartedAt,
		Restarts: w.Restarts, RestartsLastHour: w.Tally.Recent.Count(c.now()),
		CPUSeconds: f.used.CPU.Seconds(), ResidentBytes: f.resident, ProportionalBytes: proportional, LimitBytes: f.limit,
		OpenFDs: f.open, MaxFDs: f.most, FDsUsedRatio: f.fullest, Threads: f.threads, Processes: f.processes}
}

// requestsOf gives what the slots have answered, by name: of all releases that are counted.
func requestsOf(said statsd.Counts) map[string]*api.Requests {
	all := map[string]*api.Requests{}
	for _, r := range said.Requests {
		name := api.WorkerName(r.App, r.Process, r.Slot)
		if all[name] == nil {
			all[name] = &api.Requests{}
		}
		for _, n := range r.ByClass {
			all[name].Total += n
		}
		all[name].Errors += r.ByClass[len(r.ByClass)-1]
	}
	return all
}

func pauseOf(r *api.RolloutStatus) *api.Pause {
	if r == nil || r.Ended() || r.Step != release.StepPaused {
		return nil
	}
	return &api.Pause{Kind: r.Kind, To: r.To, Since: r.StepAt, Reason: r.Reason}
}

func socketsOf(app string, queues []supervisor.Queue) []api.SocketFigures {
	all := []api.SocketFigures{}
	for _, q := range queues {
		owner, name, _ := strings.Cut(q.Key, "/")
		if owner != app {
			continue
		}
		one := api.SocketFigures{Name: name, Length: q.Length, Limit: q.Limit}
		if q.Drops >= 0 {
			one.Drops = &q.Drops
		}
		all = append(all, one)
	}
	return all
}

// machineMemory is what sysinfo(2) says; 0 where it says nothing.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
