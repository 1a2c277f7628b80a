package release

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// State is what must outlive supd about the rollouts of one app.
type State struct {
	Active   string               `json:"active,omitempty"`   // version that the workers run; "": none yet
	Place    *Place               `json:"place,omitempty"`    // of the active release
	Previous string               `json:"previous,omitempty"` // version that a rollback goes to
	Held     *Hold                `json:"held,omitempty"`     // deploys are refused
	Failed   map[string]Mark      `json:"failed,omitempty"`   // versions whose last rollout failed, or that a rollback has left
	Deployed map[string]time.Time `json:"deployed,omitempty"` // when each version last became active
	Rollout  *Rollout             `json:"rollout,omitempty"`  // under way
	Target   *Place               `json:"target,omitempty"`   // of the release that Rollout goes to
	History  []Rollout            `json:"history,omitempty"`  // ended, newest last
	NextID   int                  `json:"next_id,omitempty"`  // of the next rollout
	Totals   Totals               `json:"totals,omitempty"`   // of all rollouts that have ended
}

// Last is how the last rollout has ended; "" where there was none.
func (s State) Last() Result {
	if n := len(s.History); n > 0 {
		return s.History[n-1].Result
	}
	return ""
}

// Place is where the files of a release are. A version that is registered anew may
// get another Place, while workers still run from the one that they were started
// in.
type Place struct {
	Path  string `json:"path"`  // as its workers see it
	Files string `json:"files"` // where they can be read
}

// Hold says who refuses deploys, and why.
type Hold struct {
	By     string    `json:"by"` // "root (uid 0, pid 4711)"
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// Mark says when and why a release failed, or was left.
type Mark struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
	Left   bool      `json:"left,omitempty"` // by a rollback, after it had been active
}

// Back is the version that a rollback goes to where none is named: the previous one,
// whether or not it is still there, or else the one that was active last of those that
// known accepts. What is marked is passed over: a second rollback must not go forward to
// what the first one has left.
func (s State) Back(known func(version string) bool) string {
	fits := func(version string) bool {
		_, isMarked := s.Failed[version]
		return version != "" && version != s.Active && !isMarked
	}
	if fits(s.Previous) {
		return s.Previous
	}
	back := ""
	for version, at := range s.Deployed {
		if fits(version) && known(version) && (back == "" || cmp.Or(at.Compare(s.Deployed[back]), strings.Compare(version, back)) > 0) {
			back = version
		}
	}
	return back
}

// The most that a State keeps, so that it fits into its journal.
const (
	historyLength  = 50
	failedLength   = 50
	deployedLength = 100
	reasonSize     = 1 << 10 // bytes
)

// Clone gives a State that shares nothing with s and whose maps are not nil. It
// leaves out what is too old to be kept, and cuts long reasons.
func (s State) Clone() State {
	s.Held, s.Rollout, s.Place, s.Target = clone(s.Held), clone(s.Rollout), clone(s.Place), clone(s.Target)
	s.History = slices.Clone(s.History[max(0, len(s.History)-historyLength):])
	s.Failed, s.Deployed = copied(s.Failed), copied(s.Deployed)
	for len(s.Failed) > failedLength && s.dropFailed() {
	}
	for len(s.Deployed) > deployedLength && s.dropDeployed() {
	}
	s.cutReasons()
	s.Totals = maps.Clone(s.Totals)
	return s
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func copied[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func (s *State) cutReasons() {
	if s.Held != nil {
		s.Held.Reason = cut(s.Held.Reason)
	}
	if s.Rollout != nil {
		s.Rollout.Reason = cut(s.Rollout.Reason)
	}
	for i := range s.History {
		s.History[i].Reason = cut(s.History[i].Reason)
	}
	for version, m := range s.Failed {
		m.Reason = cut(m.Reason)
		s.Failed[version] = m
	}
}

func cut(s string) string {
	if len(s) <= reasonSize {
		return s
	}
	return strings.ToValidUTF8(s[:reasonSize], "") + "…"
}

// drop leaves out the least important entry, and reports whether there was one.
func (s *State) drop() bool {
	if len(s.History) > 0 {
		s.History = s.History[1:]
		return true
	}
	return s.dropFailed() || s.dropDeployed()
}

func (s *State) dropFailed() bool {
	return dropOldest(s, s.Failed, func(m Mark) time.Time { return m.At })
}

func (s *State) dropDeployed() bool {
	return dropOldest(s, s.Deployed, func(t time.Time) time.Time { return t })
}

// dropOldest removes the oldest version from m that is neither active nor previous.
func dropOldest[V any](s *State, m map[string]V, at func(V) time.Time) bool {
	oldest := ""
	for version, v := range m {
		if version == s.Active || version == s.Previous {
			continue
		}
		if oldest == "" || cmp.Or(at(v).Compare(at(m[oldest])), strings.Compare(version, oldest)) < 0 {
			oldest = version
		}
	}
	_, found := m[oldest]
	delete(m, oldest)
	return found
}
