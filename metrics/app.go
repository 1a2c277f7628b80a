package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/output"
	"supd/supervisor/release"
)

var (
	desiredWorkers = gauge("supd_process_desired_workers", "Workers that are desired now.", "app", "process")
	startDuration  = histograms("supd_worker_start_duration_seconds", "From launch to ready, of the workers of a process.", "app", "process")

	queueLength = gauge("supd_socket_accept_queue_length", "Connections that wait to be accepted.", "app", "socket")
	queueLimit  = gauge("supd_socket_accept_queue_limit", "Connections that may wait to be accepted.", "app", "socket")
	queueDrops  = counter("supd_socket_accept_drops_total", "Connections that the kernel has dropped since the socket was opened, since its queue was full or for another reason; tcp alone.", "app", "socket")

	releaseInfo     = gauge("supd_release_info", "The releases that an app runs, goes to or can go back to; always 1.", "app", "state", "version")
	rollouts        = counter("supd_rollouts_total", "Rollouts that have ended.", "app", "kind", "result")
	rolloutDuration = histograms("supd_rollout_duration_seconds", "From the beginning of a rollout to its end.", "app", "kind")
	rolloutPhase    = gauge("supd_rollout_phase", "Whether a rollout is under way in that phase.", "app", "phase")
	rolloutInPhase  = gauge("supd_rollout_phase_seconds", "For how long it has been; 0 while no rollout is under way.", "app")
	rolloutLast     = gauge("supd_rollout_last_result", "Whether the last rollout has ended so.", "app", "result")

	configChanged = gauge("supd_config_changed", "Whether the file of an app says something else than what was applied, or is gone.", "app")
	configFiles   = gauge("supd_config_files_changed", "Files of the configuration that say something else than what was applied, are gone or new; supd.toml is one.")

	logBytes   = counter("supd_log_bytes_total", "Bytes of output written to the log of a process; processes that share a file show the same.", "app", "process")
	logDropped = counter("supd_log_dropped_bytes_total", "Bytes of output dropped, since the log of a process could not be written.", "app", "process")

	kindLabels   = labelsOf("kind", release.KindDeploy, release.KindRollback)
	results      = []release.Result{release.Done, release.RolledBack, release.Failed}
	phaseLabels  = labelsOf("phase", release.Steps...)
	resultLabels = labelsOf("result", "done", "rolled_back", "failed")
)

// Bounds of the classic histograms, as powers of two.
const (
	startsFrom, startsTo     = -4, 9 // 62.5 ms to 8.5 min
	rolloutsFrom, rolloutsTo = 0, 13 // 1 s to 2.3 h
)

func (o out) process(app, process *dto.LabelPair, p *api.ProcessStatus) {
	h := histogram{first: startsFrom, last: startsTo}
	desired, starts := 0, measure.Durations{}
	for i := range p.Workers {
		w := &p.Workers[i]
		if w.Desired {
			desired++
		}
		starts = starts.Plus(w.Tally.Starts)
		for _, run := range w.Runs {
			if run.Ready.After(h.example.at) {
				h.example = example{run.Ready, run.Ready.Sub(run.Launched), run.Release}
			}
		}
	}
	o.send(desiredWorkers, float64(desired), app, process)
	h.sum, h.buckets = starts.Sum.Seconds(), starts.Buckets
	o.count(startDuration, h, app, process)
}

func (o out) queues(queues []supervisor.Queue) {
	for _, q := range queues {
		app, name, _ := strings.Cut(q.Key, "/")
		labels := []*dto.LabelPair{label("app", app), label("socket", name)}
		o.send(queueLength, float64(q.Length), labels...)
		o.send(queueLimit, float64(q.Limit), labels...)
		if q.Drops >= 0 {
			o.send(queueDrops, float64(q.Drops), labels...)
		}
	}
}

// releases sends what concerns the releases of an app that has some.
func (o out) releases(app *dto.LabelPair, a *api.AppStatus, now time.Time) {
	deploys := a.Rollout != nil && !a.Rollout.Ended()
	if a.Release == "" && !deploys && len(a.Totals) == 0 {
		return
	}
	if a.Release != "" {
		o.send(releaseInfo, 1, app, label("state", api.ReleaseActive), label("version", a.Release))
	}
	if a.Previous != "" {
		o.send(releaseInfo, 1, app, label("state", api.ReleasePrevious), label("version", a.Previous))
	}
	if deploys {
		o.send(releaseInfo, 1, app, label("state", "rollout"), label("version", a.Rollout.To))
	}
	o.phase(app, a, now)
	for _, kind := range kindLabels {
		total := a.Totals[release.Kind(kind.GetValue())]
		for i, result := range results {
			o.send(rollouts, float64(total.Results[result]), app, kind, resultLabels[i])
		}
		o.count(rolloutDuration, histogram{sum: total.Took.Sum.Seconds(), buckets: total.Took.Buckets, first: rolloutsFrom, last: rolloutsTo}, app, kind)
	}
}

// phase sends where a rollout under way stands, and how the last one has ended.
func (o out) phase(app *dto.LabelPair, a *api.AppStatus, now time.Time) {
	step, took := release.Step(""), time.Duration(0)
	if a.Rollout != nil && !a.Rollout.Ended() {
		step, took = a.Rollout.Step, max(0, now.Sub(a.Rollout.StepAt))
	}
	for i, phase := range release.Steps {
		o.send(rolloutPhase, truth(phase == step), app, phaseLabels[i])
	}
	o.send(rolloutInPhase, took.Seconds(), app)
	for i, result := range results {
		o.send(rolloutLast, truth(result == a.Last), app, resultLabels[i])
	}
}

func (o out) logs(app, process *dto.LabelPair, p *api.ProcessStatus, logs map[string]output.Count) {
	count, is := logs[p.Log]
	if !is {
		return
	}
	o.send(logBytes, float64(count.Written), app, process)
	o.send(logDropped, float64(count.Dropped), app, process)
}

// droppedLines counts what supd itself could not say.
func droppedLines(count func() int) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "supd_own_log_dropped_lines_total",
		Help: "Lines of supd's own log that were dropped since it was started, since nobody has read them."}, func() float64 { return float64(count()) })
}

// buildInfo tells which supd this is.
func buildInfo(version, language string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "supd_build_info", Help: "Version of supd, and of Go; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": language}})
	g.Set(1)
	return g
}
