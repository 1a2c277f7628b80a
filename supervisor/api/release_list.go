package api

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"supd/privdrop"
	"supd/privdrop/files"
	"supd/supervisor/release"
)

// ReleaseList is what `supctl releases` shows of an app.
type ReleaseList struct {
	App      string            `json:"app"`
	Held     *release.Hold     `json:"held,omitempty"`
	Releases []ReleaseStatus   `json:"releases"` // by registration, newest last
	History  []release.Rollout `json:"history"`  // of rollouts, newest last
}

// States of a release. Of several the first that holds.
const (
	ReleaseActive    = "active"    // what the workers run
	ReleasePrevious  = "previous"  // what a rollback goes to
	ReleaseLeft      = "left"      // by a rollback, after it had been active: deployed again only by name
	ReleaseFailed    = "failed"    // its last rollout failed: likewise
	ReleaseMissing   = "missing"   // its files are gone
	ReleaseInstalled = "installed" // registered, none of the above
)

// ReleaseStatus is one registered release.
type ReleaseStatus struct {
	Version      string     `json:"version"`
	Path         string     `json:"path"`
	State        string     `json:"state"`
	RegisteredAt time.Time  `json:"registered_at"`
	DeployedAt   *time.Time `json:"deployed_at"` // when it last became active
	By           string     `json:"by"`          // who registered it: "root (uid 0)"
	Reason       string     `json:"reason,omitempty"`
}

// Finding is something wrong with an app that nobody else would notice.
type Finding struct {
	App     string `json:"app"`
	Release string `json:"release,omitempty"` // version
	Path    string `json:"path,omitempty"`
	Message string `json:"message"` // "size 12, was 10 when it was registered"
}

// ListReleases makes what `supctl releases` shows of an app, from its journaled
// state and the registry. With an error the list is there all the same: of those
// releases whose records can be read.
func ListReleases(store *release.Store, state release.State, app string) (*ReleaseList, error) {
	all, err := store.Releases(app)
	list := &ReleaseList{App: app, Held: state.Held, Releases: []ReleaseStatus{}, History: state.History}
	if list.History == nil {
		list.History = []release.Rollout{}
	}
	for _, r := range all {
		list.Releases = append(list.Releases, releaseStatus(r, state))
	}
	isActive := func(r ReleaseStatus) bool { return r.Version == state.Active }
	if state.Active != "" && !slices.ContainsFunc(list.Releases, isActive) {
		list.Releases = append(list.Releases, unregistered(state))
	}
	return list, err
}

func releaseStatus(r release.Release, state release.State) ReleaseStatus {
	s := ReleaseStatus{Version: r.Version, Path: r.Path, State: ReleaseInstalled, RegisteredAt: r.RegisteredAt, By: privdrop.UserTitle(r.By),
		DeployedAt: deployedAt(state, r.Version)}
	failed, hasFailed := state.Failed[r.Version]
	missing := !r.Present()
	switch {
	case r.Version == state.Active:
		s.State = ReleaseActive
	case r.Version == state.Previous:
		s.State = ReleasePrevious
	case failed.Left:
		s.State = ReleaseLeft
	case hasFailed:
		s.State = ReleaseFailed
	case missing:
		s.State = ReleaseMissing
	}
	switch {
	case missing:
		s.Reason = "its files are gone from " + r.Files()
	case hasFailed:
		s.Reason = failed.Reason
	case r.Deploy:
		s.Reason = "waits to be deployed"
	}
	return s
}

// unregistered is the active release where the registry does not know it.
func unregistered(state release.State) ReleaseStatus {
	s := ReleaseStatus{Version: state.Active, State: ReleaseActive,
		DeployedAt: deployedAt(state, state.Active), Reason: "is not registered"}
	if state.Place != nil {
		s.Path = state.Place.Path
	}
	return s
}

// deployedAt is when a release last became active, or nil.
func deployedAt(state release.State, version string) *time.Time {
	at, ok := state.Deployed[version]
	if !ok {
		return nil
	}
	return &at
}

// auditOwner says whether somebody else than root, where this process is that, can
// change what a release is, or is made from. What is in a snapshot is root's.
func auditOwner(r release.Release) (found []Finding) {
	add := func(format string, args ...any) {
		found = append(found, Finding{App: r.App, Release: r.Version, Path: r.Path, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case os.Geteuid() != 0:
		return nil
	case r.Snapshot != "":
		if why := (files.Way{}).Untrusted(r.Path); why != nil {
			add("others than root can change the release: %s", why)
		}
		return found
	}
	const most = 10
	all, err := files.UntrustedBelow(r.Path, most+1)
	for _, why := range all[:min(most, len(all))] {
		add("others than root can change the release: %s", why)
	}
	if len(all) > most {
		add("others than root can change more of it than these; find %s ! -type l '(' ! -uid 0 -o -perm /022 ')' shows all", r.Path)
	}
	if err != nil { // whoever has made it so hides no other finding
		add("cannot be looked at as a whole: %s", err)
	}
	return found
}

// AuditReleases lists what of the registered releases of apps is not as it was
// registered: files of snapshots that were changed in place, what is gone, and releases
// that others than root can change. It looks at each file. With an error the findings are of what could be read.
func AuditReleases(store *release.Store, apps []string) ([]Finding, error) {
	findings := []Finding{}
	var errs []error
	for _, app := range apps {
		all, err := store.Releases(app)
		errs = append(errs, err)
		for _, r := range all {
			found, err := auditRelease(store, r)
			findings, errs = append(findings, found...), append(errs, err)
		}
	}
	return findings, errors.Join(errs...)
}

func auditRelease(store *release.Store, r release.Release) ([]Finding, error) {
	changes, err := store.Changed(r)
	switch {
	case errors.Is(err, release.ErrUnknown): // it went meanwhile
		return nil, nil
	case errors.Is(err, release.ErrMissing):
		return []Finding{{App: r.App, Release: r.Version, Path: r.Files(), Message: "its files are gone; install it again, or unregister it"}}, nil
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", r.App, r.Version, err)
	}
	found := auditOwner(r)
	for _, c := range changes {
		path, why, _ := strings.Cut(c, ": ")
		found = append(found, Finding{App: r.App, Release: r.Version, Path: path, Message: why})
	}
	return found, nil
}
