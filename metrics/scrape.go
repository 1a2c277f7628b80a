package metrics

import (
	"bufio"
	"compress/gzip"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/singleflight"
)

// gatherer has the series of workers, and those of supd itself. It is no collector of a
// registry: that sorts and checks each sample, which takes longer than all else does
// (the tests check instead), and holds all of them in the form of the encoders, which is
// as much memory again as metrics may take.
type gatherer struct {
	collector *collector
	registry  *prometheus.Registry // of supd itself
	once      singleflight.Group
}

// scrape is what was gathered once; it does not change.
type scrape struct {
	out
	own []*dto.MetricFamily // of supd itself, by name
}

// scrape gathers; who comes while that is being done gets the same.
func (g *gatherer) scrape() scrape {
	one, _, _ := g.once.Do("", func() (any, error) {
		own, err := g.registry.Gather() // what is there although some is missing
		return scrape{g.collector.collect(err), own}, nil
	})
	return one.(scrape)
}

// families gives all by name; see those of out.
func (s scrape) families(keep bool) iter.Seq[*dto.MetricFamily] {
	return func(yield func(*dto.MetricFamily) bool) {
		own := s.own
		for f := range s.out.families(keep) {
			for ; len(own) > 0 && own[0].GetName() < f.GetName(); own = own[1:] {
				if !yield(own[0]) {
					return
				}
			}
			if !yield(f) {
				return
			}
		}
		for _, f := range own {
			if !yield(f) {
				return
			}
		}
	}
}

// Gather gives all of them, for those who push.
func (g *gatherer) Gather() ([]*dto.MetricFamily, error) {
	return slices.Collect(g.scrape().families(true)), nil
}

// buffered is how much is sent at a time.
const buffered = 64 << 10

// ServeHTTP answers in the form that is asked for; name[] asks for single families.
func (g *gatherer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names := r.URL.Query()["name[]"]
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	w.Header().Set("Content-Type", string(format))
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	to, finish := compressed(w, r)
	s := g.scrape()
	b := bufio.NewWriterSize(to, buffered)
	e := expfmt.NewEncoder(b, format.WithEscapingScheme(model.NoEscaping)) // no name has anything to be escaped, and looking for that takes its time
	for f := range s.families(false) {
		if len(names) > 0 && !slices.Contains(names, f.GetName()) {
			continue
		}
		if e.Encode(f) != nil { // nobody reads any more
			return
		}
	}
	if end, is := e.(expfmt.Closer); is { // # EOF
		_ = end.Close()
	}
	_ = b.Flush()
	finish()
}

// compressed is gzip where that is accepted. The quickest level halves nearly as much
// as the best one does in four times the time: samples repeat each other.
func compressed(w http.ResponseWriter, r *http.Request) (to io.Writer, finish func()) {
	for accepted := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		if name, quality, _ := strings.Cut(strings.TrimSpace(accepted), ";"); name == "gzip" && quality != "q=0" {
			w.Header().Set("Content-Encoding", "gzip")
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // fails with no such level alone
			return z, func() { _ = z.Close() }
		}
	}
	return w, func() {}
}
