package control

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	p := &pace{every: time.Second, burst: 3}
	now := time.Now()
	for i, want := range []time.Duration{0, 0, 0, 1, 2} {
		if wait := max(0, p.next(7, now)); wait != want*time.Second {
			t.Errorf("request %d waits %s, want %d s", i, wait, want)
		}
	}
	if p.has(7, now) || p.has(7, now.Add(2*time.Second)) || !p.has(7, now.Add(3*time.Second)) || p.has(7, now.Add(3*time.Second)) {
		t.Error("there is a turn a second")
	}
	if !p.has(8, now) {
		t.Error("another user has turns of his own")
	}
	for uid := range 100 * mostGuests {
		now = now.Add(time.Second)
		p.has(uid, now)
	}
	if len(p.at) > mostGuests+1 {
		t.Errorf("%d users are remembered", len(p.at))
	}
}

// TestGuestInALoop: he is answered now and then, and does not fill the log. Root waits for
// nothing.
func TestGuestInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := NewServer(newFake("/nonexistent"), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		ask := func(uid int) {
			r := post(`{"action":"shutdown"}`)
			s.http.Handler.ServeHTTP(discard{}, r.WithContext(context.WithValue(t.Context(), peerKey{}, peer{uid: uid})))
		}
		began := time.Now()
		for range 1000 {
			ask(12345)
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("1000 requests took %s", took)
		}
		if lines := strings.Count(log.String(), "msg=refused"); lines < 15 || lines > 25 {
			t.Errorf("%d lines in the log", lines)
		}
		if !strings.Contains(log.String(), "not_told=99") {
			t.Errorf("the others are not counted: %s", log.String())
		}
		began = time.Now()
		for range 1000 {
			ask(0)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("root has waited %s", took)
		}
	})
}
