package metrics

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"supd/supervisor/api"
)

const (
	v1, v2 = "application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

// pushed is a request that a receiver has got.
type pushed struct {
	kind    string // v1 or v2
	header  http.Header
	path    string
	at      time.Duration      // since the beginning
	values  map[string]float64 // by "NAME=VALUE …" of the labels
	message *writev2.Request   // of v2
	natives map[string]*writev2.Histogram
}

// remoteWorld is a receiver at the other end of pipes, in a bubble of synctest.
type remoteWorld struct {
	*remoteWrite
	t      *testing.T
	got    []pushed
	answer func(http.ResponseWriter, *http.Request, pushed)
}

// accepting gives connections that are made in the same process.
type accepting struct {
	connections chan net.Conn
	done        chan struct{}
}

func (a *accepting) Accept() (net.Conn, error) {
	select {
	case c := <-a.connections:
		return c, nil
	case <-a.done:
		return nil, net.ErrClosed
	}
}
func (a *accepting) Close() error   { close(a.done); return nil }
func (a *accepting) Addr() net.Addr { return &net.UnixAddr{} }

func (a *accepting) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case a.connections <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// withReceiver runs f with a receiver that confirms all.
func withReceiver(t *testing.T, f func(*remoteWorld)) {
	synctest.Test(t, func(t *testing.T) {
		to, err := url.Parse("http://receiver.example.org/api/v1/write?token=hunter2")
		if err != nil {
			t.Fatal(err)
		}
		r := &remoteWorld{remoteWrite: newRemoteWrite(to, "", "host1", "1.2.3"), t: t, answer: confirm}
		l := &accepting{make(chan net.Conn), make(chan struct{})}
		r.transport.DialContext, r.transport.Proxy = l.dial, nil
		begin := time.Now()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			p := r.read(q)
			p.at = time.Since(begin)
			r.got = append(r.got, p)
			r.answer(w, q, p)
		})}
		ended := make(chan error)
		go func() { ended <- server.Serve(l) }()
		f(r)
		server.Close()
		<-ended
		r.transport.CloseIdleConnections()
	})
}

// confirm says that all was written, as version 2 wants it.
func confirm(w http.ResponseWriter, _ *http.Request, p pushed) {
	if p.kind == v2 {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(len(p.values)))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(len(p.natives)))
	}
	w.WriteHeader(http.StatusNoContent)
}

// only answers v1 so, and all else with a status.
func only(kind string, status int) func(http.ResponseWriter, *http.Request, pushed) {
	return func(w http.ResponseWriter, q *http.Request, p pushed) {
		if p.kind == kind {
			confirm(w, q, p)
			return
		}
		w.WriteHeader(status)
	}
}

func (r *remoteWorld) read(q *http.Request) pushed {
	p := pushed{kind: q.Header.Get("Content-Type"), header: q.Header, path: q.URL.String(), values: map[string]float64{}, natives: map[string]*writev2.Histogram{}}
	compressed, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	text, err := snappy.Decode(nil, compressed)
	if err != nil {
		r.t.Error(err)
	}
	if p.kind == v2 {
		r.readV2(&p, text)
	} else {
		r.readV1(&p, text)
	}
	return p
}

func (r *remoteWorld) readV2(p *pushed, text []byte) {
	p.message = &writev2.Request{}
	if err := proto.Unmarshal(text, p.message); err != nil {
		r.t.Error(err)
	}
	for _, s := range p.message.Timeseries {
		labels := writev2.DesymbolizeLabels(s.LabelsRefs, p.message.Symbols, nil)
		name := r.series(labels)
		for _, one := range s.Samples {
			p.values[name] = one.Value
		}
		for _, one := range s.Histograms {
			p.natives[name] = one
		}
	}
}

// fields gives those of a protobuf message, in their order.
func fields(t *testing.T, message []byte, each func(number protowire.Number, value []byte)) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		value := message[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		each(number, value)
		message = message[n:]
	}
}

func (r *remoteWorld) readV1(p *pushed, text []byte) {
	fields(r.t, text, func(_ protowire.Number, series []byte) {
		var labels []string
		var value float64
		fields(r.t, series, func(number protowire.Number, part []byte) {
			fields(r.t, part, func(inner protowire.Number, v []byte) {
				switch {
				case number == 1:
					labels = append(labels, string(v))
				case inner == 1:
					bits, _ := protowire.ConsumeFixed64(v)
					value = math.Float64frombits(bits)
				}
			})
		})
		p.values[r.series(labels)] = value
	})
}

// series names one, and looks whether its labels are in order, each once.
func (r *remoteWorld) series(labels []string) string {
	var names, all []string
	for pair := range slices.Chunk(labels, 2) {
		names = append(names, pair[0])
		all = append(all, pair[0]+"="+pair[1])
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		r.t.Errorf("labels %q", names)
	}
	return strings.Join(all, " ")
}

// push sends, with as much time as there is from one push to the next.
func (r *remoteWorld) push(b *batch) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	defer synctest.Wait() // until the receiver has seen that it was given up
	return r.send(ctx, b)
}

// kinds are those of the requests since the last time.
func (r *remoteWorld) kinds() (all []string) {
	for _, p := range r.got {
		all = append(all, p.kind)
	}
	r.got = nil
	return all
}

const oneUp = `__name__=supd_worker_up app=a instance=host1 job=supd process=web slot=1`

func TestRemoteWrite(t *testing.T) {
	withReceiver(t, func(r *remoteWorld) {
		one := slot(1, api.Running, api.Run{Pid: 200, Start: 50, Launched: time.Unix(100, 0), Ready: time.Unix(103, 0)})
		one.Tally.Starts = one.Tally.Starts.With(3 * time.Second)
		w := newWorld(t, one)
		w.process(200, self, 200, 50, "main", 150)
		b := w.batch(time.UnixMilli(123456))
		if err := r.push(b); err != nil {
			t.Fatal(err)
		}
		p := r.got[0]
		if len(r.got) != 1 || p.kind != v2 || p.path != "/api/v1/write?token=hunter2" ||
			p.header.Get("User-Agent") != "supd/1.2.3" || p.header.Get("Authorization") != "" || p.header.Get("X-Prometheus-Remote-Write-Version") != "2.0.0" {
			t.Errorf("%+v", r.got)
		}
		for series, want := range map[string]float64{
			oneUp: 1,
			`__name__=supd_worker_cpu_seconds_total app=a instance=host1 job=supd process=web slot=1`:              1.5,
			`__name__=supd_worker_start_duration_seconds_bucket app=a instance=host1 job=supd le=2 process=web`:    0,
			`__name__=supd_worker_start_duration_seconds_bucket app=a instance=host1 job=supd le=4 process=web`:    1,
			`__name__=supd_worker_start_duration_seconds_bucket app=a instance=host1 job=supd le=+Inf process=web`: 1,
			`__name__=supd_worker_start_duration_seconds_count app=a instance=host1 job=supd process=web`:          1,
			`__name__=supd_worker_start_duration_seconds_sum app=a instance=host1 job=supd process=web`:            3,
		} {
			if got, is := p.values[series]; !is || got != want {
				t.Errorf("%s: %v (there: %t), want %v", series, got, is, want)
			}
		}
		native := p.natives[`__name__=supd_worker_start_duration_seconds app=a instance=host1 job=supd process=web`]
		if native.GetCountInt() != 1 || native.Sum != 3 || native.Schema != schema || native.Timestamp != 123456 ||
			len(native.PositiveSpans) != 1 || native.PositiveSpans[0].Length != 1 || !slices.Equal(native.PositiveDeltas, []int64{1}) {
			t.Errorf("native %v", native)
		}
		for _, s := range p.message.Timeseries {
			name := p.message.Symbols[s.LabelsRefs[1]]
			counts := strings.HasSuffix(name, "_total")
			if is := s.Metadata.Type == writev2.Metadata_METRIC_TYPE_COUNTER; is != counts || p.message.Symbols[s.Metadata.HelpRef] == "" {
				t.Errorf("%s: %v", name, s.Metadata)
			}
			for _, one := range s.Samples {
				if one.Timestamp != 123456 {
					t.Errorf("%s: %v", name, one)
				}
			}
		}
	})
}

// A receiver of version 1 gets the same in classic form, and is not asked again.
func TestRemoteWriteVersion1(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, pushed){
		"Prometheus 2.42, which takes it for an empty message of version 1": only(v1, http.StatusNoContent),
		"one that says so":               only(v1, http.StatusUnsupportedMediaType),
		"one that knows no such message": only(v1, http.StatusBadRequest),
		"one without native histograms":  only(v1, http.StatusInternalServerError),
		"one that has written only a part": func(w http.ResponseWriter, q *http.Request, p pushed) {
			p.natives = nil
			confirm(w, q, p)
		},
	} {
		withReceiver(t, func(r *remoteWorld) {
			r.answer = answer
			b := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50})).batch(time.Now())
			if err := r.push(b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			p := r.got[len(r.got)-1]
			if p.values[oneUp] != 1 || p.header.Get("X-Prometheus-Remote-Write-Version") != "0.1.0" || len(p.values) < 20 {
				t.Errorf("%s: %+v", name, p)
			}
			if diff := cmp.Diff(r.got[0].values, p.values); diff != "" {
				t.Errorf("%s: (-version 2 +version 1):\n%s", name, diff)
			}
			if diff := cmp.Diff([]string{v2, v1}, r.kinds()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			if err := r.push(b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if diff := cmp.Diff([]string{v1}, r.kinds()); diff != "" {
				t.Errorf("%s, again: %s", name, diff)
			}
			r.answer = only(v2, http.StatusUnsupportedMediaType) // it has been replaced
			if err := r.push(b); err == nil {
				t.Errorf("%s: no error", name)
			}
			if err := r.push(b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if diff := cmp.Diff([]string{v1, v2}, r.kinds()); diff != "" {
				t.Errorf("%s, replaced: %s", name, diff)
			}
		})
	}
}

// What has no form in version 1 is no request there.
func TestRemoteWriteOfNativeAlone(t *testing.T) {
	withReceiver(t, func(r *remoteWorld) {
		r.takes = remote.WriteV1MessageType
		native := []reading{{labels: []pair{{"__name__", "x"}}, native: &dto.Histogram{}}}
		if err := r.sendPart(t.Context(), native, 1); err != nil || len(r.got) != 0 {
			t.Errorf("%v, %v", err, r.kinds())
		}
	})
}

// What is tried again, and when.
func TestRemoteWriteRetries(t *testing.T) {
	refuse := func(status int, after string) func(http.ResponseWriter, *http.Request, pushed) {
		return func(w http.ResponseWriter, _ *http.Request, _ pushed) {
			w.Header().Set("Retry-After", after)
			http.Error(w, "so busy", status)
		}
	}
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, pushed)
		least  int // requests
		most   int
		err    string
	}{
		"overloaded":         {refuse(503, ""), 4, 4, "503 Service Unavailable: so busy"},
		"limited":            {refuse(429, ""), 4, 4, "429 Too Many Requests: so busy"},
		"limited for long":   {refuse(429, "3600"), 1, 1, "429 Too Many Requests: so busy"},
		"limited until past": {refuse(429, "Fri, 01 Jan 1999 00:00:00 GMT"), 2, 4, "429 Too Many Requests: so busy"},
		"not permitted":      {refuse(401, ""), 1, 1, "401 Unauthorized: so busy"},
		"gone":               {refuse(404, ""), 1, 1, "404 Not Found: so busy"},
		"somewhere else": {func(w http.ResponseWriter, q *http.Request, _ pushed) {
			http.Redirect(w, q, "/other", http.StatusFound)
		}, 1, 1, "302 Found: "},
		"says nothing": {func(_ http.ResponseWriter, q *http.Request, _ pushed) { <-q.Context().Done() }, 1, 1, "deadline exceeded"},
		"closes":       {func(http.ResponseWriter, *http.Request, pushed) { panic(http.ErrAbortHandler) }, 4, 4, "EOF"},
		"never ends":   {func(w http.ResponseWriter, q *http.Request, _ pushed) { w.WriteHeader(403); endless(w) }, 1, 1, "403 Forbidden: " + strings.Repeat("x", answerSize)},
	} {
		withReceiver(t, func(r *remoteWorld) {
			b := newWorld(t, slot(1, api.Running)).batch(time.Now())
			r.answer = test.answer
			begin := time.Now()
			err := r.push(b)
			if err == nil || !strings.HasSuffix(err.Error(), test.err) && !strings.HasSuffix(err.Error(), test.err+"\n") {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 2*answerSize) {
				t.Errorf("%s: the error tells too much: %v", name, err)
			}
			if n := len(r.got); n < test.least || n > test.most {
				t.Errorf("%s: %d requests", name, n)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("%s: took %s", name, took)
			}
			r.answer = confirm
			if err := r.push(b); err != nil {
				t.Errorf("%s is over: %v", name, err)
			}
		})
	}
}

func endless(w io.Writer) {
	for {
		if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
			return
		}
	}
}

// A receiver that is known to take version 2 is in trouble when it answers 500.
func TestRemoteWriteKnownReceiver(t *testing.T) {
	withReceiver(t, func(r *remoteWorld) {
		b := newWorld(t, slot(1, api.Running)).batch(time.Now())
		if err := r.push(b); err != nil {
			t.Fatal(err)
		}
		r.answer = only(v1, http.StatusInternalServerError)
		if err := r.push(b); err == nil {
			t.Error("no error")
		}
		if diff := cmp.Diff([]string{v2, v2, v2, v2, v2}, r.kinds()); diff != "" {
			t.Error(diff)
		}
	})
}

// The receiver's wish is met where there is time.
func TestRemoteWriteWaits(t *testing.T) {
	withReceiver(t, func(r *remoteWorld) {
		r.answer = func(w http.ResponseWriter, q *http.Request, p pushed) {
			if len(r.got) > 1 {
				confirm(w, q, p)
				return
			}
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		if err := r.push(newWorld(t, slot(1, api.Running)).batch(time.Now())); err != nil {
			t.Fatal(err)
		}
		if len(r.got) != 2 || r.got[1].at < 5*time.Second || r.got[1].at > 10*time.Second {
			t.Errorf("%d requests, the second after %s", len(r.got), r.got[len(r.got)-1].at)
		}
	})
}

// A series that is gone ends, once, also where the push that was to say so has failed.
func TestRemoteWriteEndsSeries(t *testing.T) {
	withReceiver(t, func(r *remoteWorld) {
		w := newWorld(t, slot(1, api.Running))
		first := w.batch(time.Now())
		w.runs(slot(2, api.Running))
		w.status.Apps[0].Processes[0].Name = "job"
		second := w.batch(time.Now())
		if err := r.push(first); err != nil {
			t.Fatal(err)
		}
		r.answer = only("none", http.StatusForbidden)
		if err := r.push(second); err == nil {
			t.Error("no error")
		}
		r.answer = confirm
		if err := r.push(second); err != nil {
			t.Fatal(err)
		}
		before, after := r.got[0], r.got[2]
		ended, slots := 0, 0
		for series := range before.values {
			if strings.Contains(series, "process=") { // else it is of the app, or of supd itself
				slots++
			}
			if value, is := after.values[series]; !is {
				t.Errorf("%s is not there", series)
			} else if math.Float64bits(value) == 0x7ff0000000000002 {
				ended++
			}
		}
		for series := range before.natives {
			if math.Float64bits(after.natives[series].GetSum()) != 0x7ff0000000000002 {
				t.Errorf("%s goes on", series)
			}
		}
		if math.Float64bits(after.values[oneUp]) != 0x7ff0000000000002 || ended != slots || len(before.natives) == 0 {
			t.Errorf("%d of %d have ended", ended, slots)
		}
		if err := r.push(second); err != nil {
			t.Fatal(err)
		}
		if last := r.got[3]; len(last.values) != len(after.values)-ended {
			t.Errorf("%d of %d series", len(last.values), len(after.values))
		}
	})
}

// Labels of an app's own do not take the place of those that a scrape would add.
func TestRemoteWriteLabels(t *testing.T) {
	r := newRemoteWrite(&url.URL{}, "", "host1", "")
	got := r.labels(model.Metric{"__name__": "x", "job": "mail", "a": "1", "instance": "i", "z": "2"})
	want := []pair{{"__name__", "x"}, {"a", "1"}, {"exported_instance", "i"}, {"exported_job", "mail"}, {"instance", "host1"}, {"job", "supd"}, {"z", "2"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(pair{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Large pushes are several requests.
func TestRemoteWriteInParts(t *testing.T) {
	withReceiver(t, func(r *remoteWorld) {
		var all []api.WorkerStatus
		for n := range 100 {
			all = append(all, slot(n+1, api.Stopped))
		}
		if err := r.push(newWorld(t, all...).batch(time.Now())); err != nil {
			t.Fatal(err)
		}
		series := map[string]float64{}
		for _, p := range r.got {
			if len(p.values)+len(p.natives) > perRequest {
				t.Errorf("%d series in one request", len(p.values))
			}
			for name, value := range p.values {
				series[name] = value
			}
		}
		up := 0
		for name := range series {
			if strings.Contains(name, "supd_worker_up") {
				up++
			}
		}
		if up != 100 || len(r.got) < 2 {
			t.Errorf("%d slots in %d requests", up, len(r.got))
		}
	})
}

// The file is read for each push. What others can read is not sent.
func TestRemoteWriteCredentials(t *testing.T) {
	withReceiver(t, func(r *remoteWorld) {
		r.credentials = filepath.Join(t.TempDir(), "secret")
		b := newWorld(t, slot(1, api.Running)).batch(time.Now())
		for _, test := range []struct{ text, want string }{{"u:p\n", "Basic dTpw"}, {"Bearer abc\n", "Bearer abc"}} {
			if err := os.WriteFile(r.credentials, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.push(b); err != nil {
				t.Fatal(err)
			}
			if got := r.got[len(r.got)-1].header.Get("Authorization"); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		}
		if err := os.Chmod(r.credentials, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := r.push(b); err == nil || err.Error() != fmt.Sprintf("%s: others than its owner may use it (mode 0644); chmod 0600 it", r.credentials) {
			t.Errorf("%v", err)
		}
		if len(r.got) != 2 {
			t.Errorf("%d requests", len(r.got))
		}
	})
}
