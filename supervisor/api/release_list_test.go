package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/privdrop"
	"supd/supervisor/release"
)

// registered registers versions of whois, each in a directory of its own.
func registered(t *testing.T, inPlace bool, versions ...string) (*release.Store, string) {
	t.Helper()
	dir := t.TempDir()
	store := release.Open(dir + "/state")
	for _, v := range versions {
		path := filepath.Join(dir, v)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+"/app.py", []byte(v), 0o644); err != nil {
			t.Fatal(err)
		}
		r := release.Registration{App: "whois", Version: v, Path: path, InPlace: inPlace, By: os.Getuid(), Deploy: v == "asked"}
		if _, _, err := store.Register(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	return store, dir
}

func TestListReleases(t *testing.T) {
	store, dir := registered(t, false, "gone", "old", "now", "bad", "asked", "again")
	if err := os.RemoveAll(dir + "/gone"); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	state := release.State{Active: "now", Previous: "old", Deployed: map[string]time.Time{"now": at},
		Failed:  map[string]release.Mark{"bad": {At: at, Reason: "web.1: exited"}, "again": {At: at, Reason: "no"}},
		Held:    &release.Hold{By: "root", At: at, Reason: "fair"},
		History: []release.Rollout{{ID: 7, Kind: release.KindDeploy, From: "old", To: "now", By: "root", StartedAt: at, EndedAt: at.Add(time.Second), Result: "done"}}}
	list, err := ListReleases(store, state, "whois")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list.Releases {
		if r.By != privdrop.UserTitle(os.Getuid()) || r.RegisteredAt.IsZero() || r.Path != filepath.Join(dir, r.Version) {
			t.Errorf("%+v", r)
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %t %s", r.Version, r.State, r.DeployedAt != nil, strings.ReplaceAll(r.Reason, dir, "DIR"))))
	}
	want := []string{"gone missing false its files are gone from DIR/gone", "old previous false", "now active true", "bad failed false web.1: exited",
		"asked installed false waits to be deployed", "again failed false no"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	history := []release.Rollout{{ID: 7, Kind: "deploy", From: "old", To: "now", By: "root", StartedAt: at, EndedAt: at.Add(time.Second), Result: "done"}}
	if diff := cmp.Diff(history, list.History) + cmp.Diff(&release.Hold{By: "root", At: at, Reason: "fair"}, list.Held); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What cannot be read hides nothing else, not even the active release.
func TestListReleasesWithoutRecord(t *testing.T) {
	store, dir := registered(t, false, "now", "old")
	if err := os.WriteFile(dir+"/state/apps/whois/releases/now.json", []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := ListReleases(store, release.State{Active: "now"}, "whois")
	if err == nil || len(list.Releases) != 2 {
		t.Fatalf("error %v, %+v", err, list.Releases)
	}
	if last := list.Releases[1]; last.Version != "now" || last.State != ReleaseActive || last.Reason != "is not registered" {
		t.Errorf("%+v", last)
	}
}

func TestAuditReleases(t *testing.T) {
	store, dir := registered(t, true, "1.4", "1.5")
	if found, err := AuditReleases(store, []string{"whois", "nosuch"}); err != nil || found == nil || len(found) > 0 {
		t.Fatalf("%v, %v", found, err)
	}
	if err := os.WriteFile(dir+"/1.4/app.py", []byte("written in place"), 0o644); err != nil { // into the snapshot's file, too
		t.Fatal(err)
	}
	r, err := store.Get("whois", "1.5")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.Files()); err != nil {
		t.Fatal(err)
	}
	found, err := AuditReleases(store, []string{"whois"})
	if err != nil || len(found) != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	if f := found[0]; f.App != "whois" || f.Release != "1.4" || f.Path != "app.py" || f.Message == "" {
		t.Errorf("%+v", f)
	}
	if f := found[1]; f.Release != "1.5" || f.Path != r.Files() || !strings.HasPrefix(f.Message, "its files are gone") {
		t.Errorf("%+v", f)
	}
}

// TestAuditInsideReleases: a file in a release that others than root can change is named.
func TestAuditInsideReleases(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives files away: needs root")
	}
	store, dir := registered(t, false, "1.4", "1.5")
	const stranger = 54321
	for i := range 12 {
		path := fmt.Sprintf("%s/1.5/file%d", dir, i)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chown(path, stranger, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir+"/1.4/app.py", 0o646); err != nil {
		t.Fatal(err)
	}
	found, err := AuditReleases(store, []string{"whois"})
	if err != nil || len(found) != 12 {
		t.Fatalf("%v, %v", found, err)
	}
	if f := found[0]; f.Release != "1.4" || f.Message != "others than root can change the release: "+dir+"/1.4/app.py has mode 0646: everybody may write to it; chmod go-w "+dir+"/1.4/app.py" {
		t.Errorf("%+v", f)
	}
	if f := found[1]; f.Release != "1.5" || !strings.Contains(f.Message, "belongs to uid 54321, and not to root") {
		t.Errorf("%+v", f)
	}
	if f := found[11]; !strings.HasPrefix(f.Message, "others than root can change more of it than these; find "+dir+"/1.5 ") {
		t.Errorf("%+v", f)
	}
}

// TestAuditOfADeepRelease: one that is too deep to be looked at hides nothing of the others.
func TestAuditOfADeepRelease(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("whose a release is counts for root alone")
	}
	store, dir := registered(t, false, "1.4", "1.5")
	if err := errors.Join(os.MkdirAll(dir+"/1.4"+strings.Repeat("/d", 200), 0o755), os.Chmod(dir+"/1.5", 0o777)); err != nil {
		t.Fatal(err)
	}
	found, err := AuditReleases(store, []string{"whois"})
	if err != nil || len(found) != 2 || !strings.HasPrefix(found[0].Message, "cannot be looked at as a whole: ") || !strings.Contains(found[1].Message, "0777: everybody may write") {
		t.Errorf("%v, %v", found, err)
	}
}
