package metrics

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	bridges "github.com/prometheus/client_golang/prometheus/graphite"

	"supd/configs"
	"supd/supervisor/api"
)

// listen gives the connections of a server on loopback, one after the other.
func listen(t *testing.T) (address string, connections <-chan *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	all := make(chan *net.TCPConn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(all)
				return
			}
			all <- c.(*net.TCPConn)
		}
	}()
	return l.Addr().String(), all
}

// carbon reads what one client sends, and closes the connection.
func carbon(t *testing.T, connections <-chan *net.TCPConn) <-chan string {
	got := make(chan string, 1)
	go func() {
		c := <-connections
		defer c.Close()
		text, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		got <- string(text)
	}()
	return got
}

// parseCarbon gives the values by path, less the prefix.
func parseCarbon(t *testing.T, text, prefix string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) != 3 {
			t.Fatalf("%q", line)
		}
		path, is := strings.CutPrefix(fields[0], prefix)
		value, err := strconv.ParseFloat(fields[1], 64)
		if _, bad := strconv.ParseInt(fields[2], 10, 64); !is || err != nil || bad != nil {
			t.Fatalf("%q: %v, %v", line, err, bad)
		}
		if _, twice := all[path]; twice {
			t.Errorf("%s is there twice", path)
		}
		all[path] = value
	}
	return all
}

// A carbon gets what a scrape gets, under the names that client_golang's bridge gives it.
func TestGraphite(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50, Release: "1.4.0", Ready: time.Unix(9, 0)}), slot(2, api.Stopped))
	w.status.Apps[0].Processes[0].Workers[0].Release = "1.4.0"
	w.process(200, self, 200, 50, "main", 150)
	address, connections := listen(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	prefix := "servers." + strings.ReplaceAll(host, ".", "_") + ".supd"
	got := carbon(t, connections)
	p := w.pusher(configs.Push{Graphite: address, Prefix: "servers.{host}.supd"})
	p.Last()
	ours := parseCarbon(t, <-got, prefix+".")
	if value := ours["supd_worker_cpu_seconds_total.app.a.process.web.slot.1"]; value != 1.5 {
		t.Errorf("CPU time %v", value)
	}
	bridge, err := bridges.NewBridge(&bridges.Config{URL: address, Prefix: prefix, Gatherer: p.gatherer})
	if err != nil {
		t.Fatal(err)
	}
	got = carbon(t, connections)
	if err := bridge.Push(); err != nil {
		t.Fatal(err)
	}
	theirs := parseCarbon(t, <-got, prefix+".")
	ours["supd_push_sent_total.target.graphite"]++ // there was a push between the two
	if diff := cmp.Diff(theirs, ours); diff != "" || len(ours) < 50 {
		t.Errorf("(-theirs +ours):\n%s", diff)
	}
}

func TestGraphiteNode(t *testing.T) {
	for s, want := range map[string]string{"": "_", "web-1": "web-1", "1.4.0~rc:1": "1_4_0_rc:1", "+Inf": "_Inf", "a  b": "a_b", "é.": "_"} {
		if got := string(appendNode(nil, s)); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	if got := newGraphite("", "", "h").prefix; got != "" {
		t.Errorf("%q", got)
	}
}

// large is more than the kernel keeps for a peer that does not read.
func large(t *testing.T) *batch {
	registry := prometheus.NewRegistry()
	many := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "x"}, []string{"n"})
	registry.MustRegister(many)
	for n := range 800 {
		many.WithLabelValues(strings.Repeat("x", 20000) + strconv.Itoa(n)).Set(1)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return newBatch(families, time.Now())
}

// What a peer may do instead of reading all and closing.
func TestGraphiteFails(t *testing.T) {
	small := newWorld(t, slot(1, api.Stopped)).batch(time.Now())
	for name, test := range map[string]struct {
		b    *batch
		peer func(*net.TCPConn) // then the push is given up
		err  string
	}{
		"never reads":   {large(t), func(*net.TCPConn) {}, "did not take all in time"},
		"never closes":  {small, func(c *net.TCPConn) { io.Copy(io.Discard, c) }, "did not take all in time"},
		"stops reading": {large(t), func(c *net.TCPConn) { io.CopyN(io.Discard, c, 1000) }, "did not take all in time"},
		"resets":        {large(t), func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, ""},
		"closes":        {large(t), func(c *net.TCPConn) { c.Close() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			address, connections := listen(t)
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			ended := make(chan error, 1)
			go func() { ended <- newGraphite(address, "", "").send(ctx, test.b) }()
			c := <-connections
			defer c.Close()
			test.peer(c)
			if test.err != "" {
				giveUp()
			}
			if err := <-ended; err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v", err)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	if err := newGraphite(address, "", "").send(t.Context(), small); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("refused: %v", err)
	}
}
