package engine

import (
	"slices"
	"time"
)

// maxLaunching bounds the launches that are under way at a time, for they share the
// processors. One that takes longer than placeTime hangs, or waits for its pre_start hook:
// it leaves its place to others, and is one of the maxOfApp of its own app alone.
const (
	maxLaunching = 16
	maxOfApp     = 8
	placeTime    = time.Second
)

func (o *Owner) launchBegins(w *worker) {
	o.launching++
	w.slot.process.app.launching++
	o.user(w).starts++
	o.places = append(o.places, w)
}

func (o *Owner) launchEnds(w *worker) {
	o.launching--
	w.slot.process.app.launching--
	o.user(w).starts--
	w.cancel = nil
	o.places = slices.DeleteFunc(o.places, func(other *worker) bool { return other == w })
}

// offerLaunches touches those that have waited for the end of others' launches.
func (o *Owner) offerLaunches() {
	for _, a := range o.crowdedApps {
		o.unpark(&a.crowded, parkedForLaunch, maxOfApp-a.launching)
	}
	o.crowdedApps = slices.DeleteFunc(o.crowdedApps, func(a *app) bool { return len(a.crowded) == 0 })
	o.unpark(&o.crowded, parkedForLaunch, maxLaunching-len(o.places))
}

// leavePlaces takes the places of launches that take long.
func (o *Owner) leavePlaces(now time.Time) {
	for len(o.places) > 0 && !o.places[0].Launched.Add(placeTime).After(now) {
		o.places = o.places[1:]
	}
}

// wakeForPlaces wakes the owner when the next of them does, where others wait for a place.
func (o *Owner) wakeForPlaces() {
	if len(o.crowded) > 0 && len(o.places) > 0 {
		o.wake(o.places[0].Launched.Add(placeTime))
	}
}
