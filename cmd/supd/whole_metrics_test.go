package main_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"supd/supervisor/api"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// TestMetrics runs the scripts about what supd tells of itself. In all of them no
// counter may ever go back, whatever becomes of supd and its workers.
func TestMetrics(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	all := maps.Clone(commands)
	maps.Copy(all, map[string]func(*testscript.TestScript, bool, []string){
		"metric":   waitMetric, // metric SERIES (==|>=) NUMBER [FACTOR]: scrapes until it is so
		"remember": remember,   // remember VARIABLE SERIES: of the last scrape
		"no":       noMetric,   // no PREFIX: the last scrape has no such series
		"recorded": recorded,   // recorded: waits until what the last scrape has shown is in the record
		"connect":  connect,    // connect N NETWORK ADDRESS: and does not speak
		"save":     saveScrape, // save FILE: a scrape
		"healthz":  healthz,    // healthz [APP CODE REGEXP]: waits for this answer, by default 200
		"cgroup":   newCgroup,  // cgroup VARIABLE: the directory of a cgroup v2 that is delegated
	})
	testscript.RunT(scripted{t}, testscript.Params{
		Dir: "testdata/metrics", WorkdirRoot: scriptRoot(t), Setup: setupMetrics, Cmds: all,
		Condition: condition, RequireUniqueNames: true,
	})
}

type scrapeKey struct{} // of the last scrape in a script's values

func setupMetrics(e *testscript.Env) error {
	e.Values[scrapeKey{}] = &scrape{}
	return setup(e)
}

// scrape is the samples of one, by series as it is written.
type scrape struct{ samples map[string]float64 }

func scrapeOf(ts *testscript.TestScript) *scrape { return ts.Value(scrapeKey{}).(*scrape) }

func get(ts *testscript.TestScript, path string) (string, error) {
	status, text, err := scrapeAnswer(ts.MkAbs("m.sock"), path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d: %s", status, text)
	}
	return text, err
}

func scrapeAnswer(socket, path string) (status int, text string, err error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	response, err := client.Get("http://supd" + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// again scrapes, and fails if a counter has gone back, or is gone.
func (s *scrape) again(ts *testscript.TestScript) error {
	text, err := get(ts, "/metrics")
	if err != nil {
		return err
	}
	now := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		ts.Check(err)
		now[line[:at]] = value
	}
	for series, before := range s.samples {
		value, is := now[series]
		if !is && strings.Contains(series, `release="`) { // one that the app cannot go back to is forgotten
			continue
		}
		if isCounter(series) && (!is || value < before) {
			ts.Fatalf("%s was %v, and is %v now (there: %t)", series, before, value, is)
		}
	}
	s.samples = now
	return nil
}

// isCounter reports whether a series of supd's never goes back; those of the process
// itself begin anew with it.
func isCounter(series string) bool {
	name, _, _ := strings.Cut(series, "{")
	for _, suffix := range []string{"_total", "_bucket", "_count", "_sum"} {
		if strings.HasSuffix(name, suffix) {
			return strings.HasPrefix(name, "supd_")
		}
	}
	return false
}

func waitMetric(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 3 || len(args) == 4, "metric SERIES (==|>=) NUMBER [FACTOR]")
	want, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	if len(args) == 4 {
		factor, err := strconv.ParseFloat(args[3], 64)
		ts.Check(err)
		want *= factor
	}
	s := scrapeOf(ts)
	poll(ts, func() error {
		if err := s.again(ts); err != nil {
			return err
		}
		value, is := s.samples[args[0]]
		if !is || args[1] == "==" && value != want || args[1] == ">=" && value < want {
			return fmt.Errorf("%s is %v (there: %t), want %s %v", args[0], value, is, args[1], want)
		}
		return nil
	})
}

func remember(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "remember VARIABLE SERIES")
	value, is := scrapeOf(ts).samples[args[1]]
	if !is {
		ts.Fatalf("no %s", args[1])
	}
	ts.Setenv(args[0], strconv.FormatFloat(value, 'g', -1, 64))
}

func noMetric(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "no PREFIX")
	for series := range scrapeOf(ts).samples {
		if strings.HasPrefix(series, args[0]) {
			ts.Fatalf("there is %s", series)
		}
	}
}

// recorded waits for the record, which is written after the answer.
func recorded(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "recorded")
	poll(ts, func() error {
		text, err := os.ReadFile(ts.MkAbs("run/state.json"))
		if err != nil {
			return err
		}
		r, err := record.Parse(text)
		if err != nil {
			return err
		}
		for i := range r.Slots {
			s := &r.Slots[i]
			all := s.Past
			for _, w := range s.Workers {
				all = all.Plus(w.Used)
			}
			series := fmt.Sprintf(`supd_worker_cpu_seconds_total{app="%s",process="%s",slot="%d"}`, s.App, s.Process, s.Number)
			if shown := scrapeOf(ts).samples[series]; all.CPU.Seconds() < shown-1e-9 {
				return fmt.Errorf("%s: %v is recorded, and %v was shown", api.WorkerName(s.App, s.Process, s.Number), all.CPU.Seconds(), shown)
			}
		}
		return nil
	})
}

func connect(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 3, "connect N NETWORK ADDRESS")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		c, err := net.Dial(args[1], args[2])
		ts.Check(err)
		ts.Defer(func() { c.Close() })
	}
}

func saveScrape(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "save FILE")
	text, err := get(ts, "/metrics")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

func newCgroup(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "cgroup VARIABLE")
	for _, mount := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(mount + "/cgroup.procs"); err != nil {
			continue
		}
		dir := filepath.Join(mount, "supd-test-"+strconv.Itoa(os.Getpid())+"-"+filepath.Base(ts.MkAbs(".")))
		ts.Check(os.Mkdir(dir, 0o755))
		ts.Defer(func() { ts.Check(tree.KillCgroup(dir)) })
		ts.Check(unix.Setxattr(dir, "trusted.delegate", []byte("1"), 0))
		ts.Setenv(args[0], dir)
		return
	}
	ts.Fatalf("no cgroup v2 to be had")
}

func healthz(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0 || len(args) == 3, "healthz [APP CODE REGEXP]")
	path, code, want := "/healthz", "200", regexp.MustCompile("^ok\n$")
	if len(args) == 3 {
		path, code, want = path+"/"+args[0], args[1], regexp.MustCompile(args[2])
	}
	poll(ts, func() error {
		status, text, err := scrapeAnswer(ts.MkAbs("m.sock"), path)
		if err == nil && (strconv.Itoa(status) != code || !want.MatchString(text)) {
			err = fmt.Errorf("%s: %d, %q, want %s, %s", path, status, text, code, want)
		}
		return err
	})
}
