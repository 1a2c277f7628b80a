package launch

import (
	"strings"
	"time"
)

// Said is what a worker has said of itself (sd_notify(3)), in one message or in
// several.
type Said struct {
	Ready bool // READY=1
	Ping  bool // WATCHDOG=1
	Ill   bool // WATCHDOG=trigger
}

// What a worker says costs others no more the more it is. That it is ready, and that it
// is ill, is reported at once; what it goes on to say is in the next report. Messages
// that nobody has time for wait in the socket's queue, in which there is room for few.
const (
	reportPause  = 100 * time.Millisecond // between two reports of the same
	mostMessages = 64                     // are read in that time
)

// hearing is what was heard and not reported yet.
type hearing struct {
	said  Said
	ready bool      // that it is was reported, or is not asked: there is no more to that
	ill   time.Time // was reported the last time
	any   time.Time // likewise, whatever it was
	read  int       // messages since begin
	begin time.Time
}

// hear takes a message. Each line of it is an assignment; others than these are no
// matter of supd's.
func (h *hearing) hear(message string, now time.Time) {
	for line := range strings.SplitSeq(message, "\n") {
		switch line {
		case "READY=1":
			h.said.Ready = !h.ready
		case "WATCHDOG=1":
			h.said.Ping = true
		case "WATCHDOG=trigger":
			h.said.Ill = true
		}
	}
	if now.Sub(h.begin) >= reportPause {
		h.begin, h.read = now, 0
	}
	h.read++
}

// due gives what is to be reported now.
func (h *hearing) due(now time.Time) (s Said, is bool) {
	switch {
	case h.said == Said{}:
		return s, false
	case h.said.Ready, h.said.Ill && now.Sub(h.ill) >= reportPause, now.Sub(h.any) >= reportPause:
	default:
		return s, false
	}
	s = h.said
	h.said, h.any, h.ready = Said{}, now, h.ready || s.Ready
	if s.Ill {
		h.ill = now
	}
	return s, true
}

// wakes is when something is to be reported also if nothing more comes; zero is never.
func (h *hearing) wakes() time.Time {
	if h.said == (Said{}) {
		return time.Time{}
	}
	return h.any.Add(reportPause)
}

// rest is how long nothing is to be read.
func (h *hearing) rest(now time.Time) time.Duration {
	if h.read < mostMessages {
		return 0
	}
	return h.begin.Add(reportPause).Sub(now)
}
