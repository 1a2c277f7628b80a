package configs

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/statsd_exporter/pkg/mapper"
	"go.yaml.in/yaml/v2"
)

//go:embed statsd.yml
var builtInMapping string

// Mapping says what statsd names become: what a file says, and where that says nothing
// what is built in.
type Mapping struct {
	stated, builtIn *mapper.MetricMapper
}

// GetMapping gives the mapping of a name; ok is false for none.
func (m Mapping) GetMapping(name string, kind mapper.MetricType) (to *mapper.MetricMapping, labels prometheus.Labels, ok bool) {
	if to, labels, ok = m.stated.GetMapping(name, kind); ok {
		return to, labels, ok
	}
	return m.builtIn.GetMapping(name, kind)
}

// ReadMapping reads a mapping file, in the form of statsd_exporter's; "" is none. What
// supd does not do of what that one does is an error: its histograms have their own
// buckets, and nothing expires but with its slot.
func ReadMapping(path string) (Mapping, error) {
	m := Mapping{newMapper(), newMapper()}
	if err := m.builtIn.InitFromYAMLString(builtInMapping); err != nil {
		return m, fmt.Errorf("the built-in mapping: %w", err)
	}
	if path == "" {
		return m, nil
	}
	text, err := readOwn(path)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	if err := checkMapping(text); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	if err := m.stated.InitFromYAMLString(string(text)); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func newMapper() *mapper.MetricMapper {
	return &mapper.MetricMapper{Logger: slog.New(slog.DiscardHandler)}
}

// checkMapping refuses unknown keys, with their line, and what is known and not done.
func checkMapping(text []byte) error {
	var file struct {
		Defaults mapper.MapperConfigDefaults `yaml:"defaults"`
		Mappings []mapper.MetricMapping      `yaml:"mappings"`
	}
	if len(text) > mostMapping {
		return fmt.Errorf("is longer than %d bytes", mostMapping)
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		said := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:")
		return errors.New(strings.Join(strings.Fields(goTypes.ReplaceAllString(said, "")), " "))
	}
	if err := checkStates(file.Mappings); err != nil {
		return err
	}
	d := file.Defaults
	var errs []error
	if d.Ttl != 0 || d.ObserverType == mapper.ObserverTypeSummary || d.SummaryOptions.Quantiles != nil || d.HistogramOptions.Buckets != nil ||
		d.HistogramOptions.NativeHistogramBucketFactor != 0 || d.HistogramOptions.NativeHistogramMaxBuckets != 0 {
		errs = append(errs, errors.New("defaults: supd has no ttl, no summaries and no buckets to choose; remove them"))
	}
	for _, one := range file.Mappings {
		if cmp.Or(one.MatchType, d.MatchType) == mapper.MatchTypeRegex {
			if err := checkPattern(one.Match); err != nil {
				errs = append(errs, fmt.Errorf("match %.40q: %w", one.Match, err))
			}
		}
		if what := undone(one); what != "" {
			errs = append(errs, fmt.Errorf("match %q: supd has no %s; remove it", one.Match, what))
		}
		switch {
		case one.Name == "":
			errs = append(errs, fmt.Errorf("match %q: has no name; write one, also with action: drop", one.Match))
		case !mappedName.MatchString(one.Name):
			errs = append(errs, fmt.Errorf("match %q: name %q: want letters, digits and _, and $1 for what the first * has matched", one.Match, one.Name))
		}
		if IsOwnSeries(one.Name) {
			errs = append(errs, fmt.Errorf("match %q: name %q begins as supd's own do; choose another one", one.Match, one.Name))
		}
	}
	return errors.Join(errs...)
}

// Bounds of a mapping file. yaml has its own for aliases and brackets; the mapper makes
// a state for each part of a name, with room to go on to all others.
const (
	mostMapping  = 256 << 10 // bytes
	mostMappings = 500       // a regular expression may take 100 KB, see mostPattern
	mostStates   = 1 << 20   // times mappings
)

func checkStates(all []mapper.MetricMapping) error {
	parts := 0
	for _, m := range all {
		parts += 1 + strings.Count(m.Match, ".")
	}
	if len(all) > mostMappings || len(all)*parts > mostStates {
		return fmt.Errorf("%d mappings with %d parts in all: want at most %d, and %d where both are multiplied", len(all), parts, mostMappings, mostStates)
	}
	return nil
}

// goTypes are what yaml says of the types that it reads into, which are no help.
var goTypes = regexp.MustCompile(` (in|into) (type )?(struct|\[\]?mapper|mapper)[^\n]*`)

// mappedName matches names as the mapper takes them.
var mappedName = regexp.MustCompile(`^([A-Za-z_]|\$\{?\d+\}?)([A-Za-z0-9_]|\$\{?\d+\}?)*$`)

// ownNames matches those that supd, its libraries and Prometheus use.
var ownNames = regexp.MustCompile(`^(supd_|go_|process_|promhttp_|scrape_|up$)`)

// IsOwnSeries reports whether a name is one that no application may give to a series.
func IsOwnSeries(name string) bool { return ownNames.MatchString(name) }

// undone names what a mapping asks for and supd does not do.
func undone(m mapper.MetricMapping) string {
	switch {
	case m.Ttl != 0:
		return "ttl: a series lives as long as its slot"
	case m.ObserverType == mapper.ObserverTypeSummary, m.SummaryOptions != nil, m.LegacyQuantiles != nil:
		return "summaries: timers are histograms"
	case m.HistogramOptions != nil, m.LegacyBuckets != nil:
		return "buckets to choose: its histograms are native ones, and classic ones by doublings"
	case m.HelpText != "":
		return "help of a mapping's own"
	default:
		return ""
	}
}

// readForward reads where datagrams go on to: "udp:HOST:8125", or "" for nowhere.
func readForward(in input, m *Metrics) {
	s, ok := text(in)
	if !ok {
		return
	}
	to, udp := strings.CutPrefix(s, "udp:")
	if s != "" && !(udp && isHostPort(to)) {
		in.fail(`%q: want "udp:HOST:PORT", such as "udp:statsd.example.org:8125", or "" for nowhere`, s)
		return
	}
	m.Forward = to
}

// readStatsdMapping reads the path, and looks into the file.
func readStatsdMapping(in input, m *Metrics) {
	path, ok := text(in)
	if !ok || path == "" {
		return
	}
	if path, ok = absolute(in); !ok {
		return
	}
	if _, err := ReadMapping(path); err != nil {
		in.fail("%s", err)
		return
	}
	m.StatsdMapping = path
}
