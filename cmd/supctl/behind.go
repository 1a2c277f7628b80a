package main

import (
	"strings"
	"time"

	"supd/supervisor/api"
)

// behind says that a worker is of an older configuration than the one that was applied,
// and why; "" of all others.
func behind(w *api.WorkerStatus, now time.Time) string {
	if w.Behind == nil {
		return ""
	}
	which := "an older configuration"
	if at := w.Behind.AppliedAt; at != nil {
		which = "the configuration of " + clockOrDay(*at, now)
	}
	return "runs " + which + "; the new one failed: " + w.Behind.Why
}

// clockOrDay gives the time of day of a moment, and its date unless that is today's.
func clockOrDay(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}

// remarks are what is said of a worker in parentheses.
func remarks(w *api.WorkerStatus, now time.Time) string {
	var all []string
	for _, note := range []string{behind(w, now), w.Note} {
		if note != "" {
			all = append(all, note)
		}
	}
	return strings.Join(all, ", ")
}
