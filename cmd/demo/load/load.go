// Package load puts an HTTP server under constant load and counts what was lost.
//
// Every request uses a connection of its own, and a request counts as lost when
// connecting, writing, reading the whole answer or the answer's status fails.
// Nothing is ever tried again.
package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Target says which server is asked, and how hard.
type Target struct {
	Network string // "tcp" or "unix"
	Address string // as in net.Dial
	Path    string // of the GET request
	Clients int    // asking at the same time
	// Rate is the sum of all clients' requests per second; 0 is as fast as
	// each gets its answer. A client that is late does not catch up.
	Rate float64
}

// Report is the result of a load.
type Report struct {
	Served, Lost int
	// Silence is the longest time in which no answer arrived although requests
	// were being made, including those before the first and after the last one.
	Silence time.Duration
	Longest time.Duration   // of a served request, from connect to the last byte
	Times   []time.Duration // of all served requests, as they ended
	Errors  []string        // of the first few lost requests
	Elapsed time.Duration
}

// String is one line for people.
func (r Report) String() string {
	s := fmt.Sprintf("%d requests served, %d lost, in %.1f s; longest silence %.1f ms, longest request %.1f ms",
		r.Served, r.Lost, r.Elapsed.Seconds(), ms(r.Silence), ms(r.Longest))
	for _, e := range r.Errors {
		s += "\n  lost: " + e
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

const (
	keptErrors     = 5
	requestTimeout = 30 * time.Second
)

// Load is a running load.
type Load struct {
	target Target
	cancel context.CancelFunc
	done   sync.WaitGroup
	start  time.Time

	mu     sync.Mutex // the clients report from their own goroutines
	report Report
	last   time.Time // when the last answer arrived
}

// Start begins to ask t. The caller must Stop the Load.
func Start(t Target) *Load {
	ctx, cancel := context.WithCancel(context.Background())
	now := time.Now()
	l := &Load{target: t, cancel: cancel, start: now, last: now}
	for i := range t.Clients {
		l.done.Go(func() { l.client(ctx, i) })
	}
	return l
}

// Stop lets requests in flight finish and returns the sum.
func (l *Load) Stop() Report {
	l.cancel()
	l.done.Wait()
	r := l.Snapshot()
	r.Silence = max(r.Silence, time.Since(l.last))
	return r
}

// Snapshot is the sum so far.
func (l *Load) Snapshot() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.report
	r.Elapsed = time.Since(l.start)
	return r
}

// client asks until ctx is done. The clients' first requests are spread over one
// period, so that a slow rate is even.
func (l *Load) client(ctx context.Context, number int) {
	var period time.Duration
	if l.target.Rate > 0 {
		period = time.Duration(float64(time.Second) * float64(l.target.Clients) / l.target.Rate)
	}
	next := l.start.Add(period * time.Duration(number) / time.Duration(l.target.Clients))
	for sleepUntil(ctx, next) {
		began := time.Now()
		err := Get(l.target.Network, l.target.Address, l.target.Path)
		l.count(began, err)
		if next = next.Add(period); next.Before(time.Now()) {
			next = time.Now()
		}
	}
}

func sleepUntil(ctx context.Context, t time.Time) bool {
	if d := time.Until(t); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

func (l *Load) count(began time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if err != nil {
		l.report.Lost++
		if len(l.report.Errors) < keptErrors {
			l.report.Errors = append(l.report.Errors, fmt.Sprintf("after %s: %v", now.Sub(l.start).Round(time.Millisecond), err))
		}
		return
	}
	l.report.Served++
	l.report.Silence = max(l.report.Silence, now.Sub(l.last))
	l.report.Longest = max(l.report.Longest, now.Sub(began))
	l.report.Times = append(l.report.Times, now.Sub(began))
	l.last = now
}

// Get asks once, on a connection of its own. Anything but a whole answer with
// status 200 is an error.
func Get(network, address, path string) error {
	_, err := Body(network, address, path)
	return err
}

// Body is Get, and returns the body of the answer.
func Body(network, address, path string) (string, error) {
	c, err := net.DialTimeout(network, address, requestTimeout)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path); err != nil {
		return "", fmt.Errorf("write: %w", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("read body: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answered %s", resp.Status)
	}
	return string(body), nil
}
