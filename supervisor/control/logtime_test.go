package control

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"supd/supervisor/api"
)

func TestTimeOfALine(t *testing.T) {
	utc := time.Date(2026, 11, 24, 12, 0, 1, 0, time.UTC)
	local := time.Date(2026, 11, 24, 12, 0, 1, 0, time.Local)
	for line, want := range map[string]time.Time{
		"2026-11-24T12:00:01Z up":                                           utc,
		"2026-11-24T13:00:01.123456+01:00 up":                               utc,
		"[2026-11-24 13:00:01 +0100] [17] [INFO] Booting worker":            utc,
		"2026-11-24 12:00:01,123 INFO django":                               local,
		"[2026-11-24 12:00:01,123: INFO/MainProcess] celery@a ready.":       local,
		"2026/11/24 12:00:01 [error] 17#17: *1 nginx":                       local,
		`127.0.0.1 - - [24/Nov/2026:13:00:01 +0100] "GET / HTTP/1.1" 200 2`: utc,
		`time=2026-11-24T12:00:01.5Z level=INFO msg=up`:                     utc,
		`{"level":"info","ts":"2026-11-24T12:00:01.000Z","msg":"up"}`:       utc,
		"Traceback (most recent call last):":                                {},
		"2026-13-24 12:00:01 there is no such month":                        {},
		"12026-11-24 12:00:01":                                              {},
		strings.Repeat("x", dateWidth) + " 2026-11-24T12:00:01Z":            {},
	} {
		got, found := timeOf([]byte(line))
		if found == want.IsZero() || !got.Equal(want) {
			t.Errorf("%q: %v, %v", line, got, found)
		}
	}
}

// TestLinesSince compares with a look at every line.
func TestLinesSince(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for range 20 {
		var b strings.Builder
		type line struct {
			at    time.Time
			begin int64
		}
		var lines []line
		at := start
		for b.Len() < 400<<10 {
			at = at.Add(time.Duration(random.IntN(5)) * time.Second)
			lines = append(lines, line{at, int64(b.Len())})
			fmt.Fprintf(&b, "%s %s\n", at.Format(time.RFC3339), strings.Repeat("x", random.IntN(300)))
			for range random.IntN(4) * random.IntN(100) { // a traceback
				b.WriteString("  File \"app.py\", line 1\n")
			}
		}
		path := filepath.Join(t.TempDir(), "log")
		must(t, os.WriteFile(path, []byte(b.String()), 0o600))
		f, err := os.Open(path)
		must(t, err)
		for range 20 {
			since := start.Add(time.Duration(random.Int64N(int64(at.Sub(start) + 10*time.Second)))).Truncate(time.Second)
			want := int64(b.Len())
			for _, l := range lines {
				if !l.at.Before(since) {
					want = l.begin
					break
				}
			}
			got, isDated, err := linesSince(f, int64(b.Len()), since)
			if got != want || !isDated || err != nil {
				t.Fatalf("since %s: %d, %v, %v, want %d", since, got, isDated, err, want)
			}
		}
		f.Close()
	}
}

// Lines since a time, and many lines, are looked for in all rotated files.
func TestLogsAcrossRotations(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "web.log")
	_, c := serve(t, newFake(dir))
	noon, n := time.Now().Truncate(time.Second).Add(-time.Hour), 0
	file := func(suffix string, lines int) (text string) {
		for range lines {
			text += fmt.Sprintf("%s line %d\n", noon.Add(time.Duration(n)*time.Second).Format(time.RFC3339), n)
			n++
		}
		must(t, os.WriteFile(path+suffix, []byte(text), 0o600))
		return text
	}
	all := file(".3", 3) + file(".2", 3) + file(".1", 3) + file("", 3)
	lines := strings.SplitAfter(all, "\n")
	get := func(q url.Values) (string, error) {
		q.Set("target", "whois/web")
		body, err := c.open(testContext(t), "/v1/logs", q)
		if err != nil {
			return "", err
		}
		defer body.Close()
		text, err := io.ReadAll(body)
		return string(text), err
	}
	since := func(line int) string { return noon.Add(time.Duration(line) * time.Second).UTC().Format(time.RFC3339) }
	for _, test := range []struct {
		q    url.Values
		want []string
	}{
		{url.Values{"lines": {"8"}}, lines[4:]},
		{url.Values{"lines": {"100"}}, lines},
		{url.Values{"since": {since(0)}}, lines},
		{url.Values{"since": {since(4)}}, lines[4:]},
		{url.Values{"since": {since(6)}}, lines[6:]},
		{url.Values{"since": {since(11)}}, lines[11:]},
		{url.Values{"since": {since(12)}}, nil},
		{url.Values{"since": {since(2)}, "lines": {"5"}}, lines[7:]},
		{url.Values{"since": {since(10)}, "lines": {"5"}}, lines[10:]},
	} {
		got, err := get(test.q)
		if want := strings.Join(test.want, ""); got != want || err != nil {
			t.Errorf("%v: %q, %v, want %q", test.q, got, err, want)
		}
	}
	_, err := get(url.Values{"since": {"yesterday"}})
	wantCode(t, err, api.CodeUsage, "want a time such as")
	must(t, os.WriteFile(path, []byte("no time\n"), 0o600))
	_, err = get(url.Values{"since": {since(0)}})
	wantCode(t, err, api.CodeFailed, "no line says when it was written")
}
