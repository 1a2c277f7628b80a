package metrics

import (
	"math"
	"slices"
	"strings"

	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protowire"
)

type pair struct{ name, value string }

// reading is one series of a push, and its value.
type reading struct {
	labels []pair // by name, as the protocol wants them
	value  float64
	native *dto.Histogram // nil: the value counts
	kind   dto.MetricType
	help   string
}

// readings are the series of a batch. Histograms come as classic ones, and as native
// ones too.
func (r *remoteWrite) readings(b *batch) (all []reading) {
	for _, f := range b.families {
		for _, s := range f.samples {
			all = append(all, reading{labels: r.labels(s.Metric), value: float64(s.Value), kind: f.GetType(), help: f.GetHelp()})
		}
		for _, m := range f.Metric {
			if h := m.Histogram; isNative(h) {
				labels := model.Metric{model.MetricNameLabel: model.LabelValue(f.GetName())}
				for _, l := range m.Label {
					labels[model.LabelName(l.GetName())] = model.LabelValue(l.GetValue())
				}
				all = append(all, reading{labels: r.labels(labels), native: h, kind: f.GetType(), help: f.GetHelp()})
			}
		}
	}
	return all
}

// isNative reports whether a histogram has native buckets, of whole numbers.
func isNative(h *dto.Histogram) bool {
	return len(h.GetPositiveSpan())+len(h.GetNegativeSpan()) > 0 && h.GetSampleCountFloat() == 0
}

// labels adds those that a scrape would have added. What has the same name is called
// exported_NAME, as there.
func (r *remoteWrite) labels(m model.Metric) []pair {
	all := append(make([]pair, 0, len(r.own)+len(m)), r.own...)
	for name, value := range m {
		label := pair{string(name), string(value)}
		if slices.ContainsFunc(r.own, func(own pair) bool { return own.name == label.name }) {
			for taken := true; taken; { // as Prometheus does, until no other one is called so
				label.name = "exported_" + label.name
				_, taken = m[model.LabelName(label.name)]
			}
		}
		all = append(all, label)
	}
	slices.SortFunc(all, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return all
}

// messageV1 is a prometheus.WriteRequest (remote write 1.0), of which client_golang has
// no type. What is native is left out.
func messageV1(part []reading, at int64) encoded {
	var message, series, field []byte
	for _, one := range part {
		if one.native != nil {
			continue
		}
		series = series[:0]
		for _, l := range one.labels {
			field = protowire.AppendTag(field[:0], 1, protowire.BytesType)
			field = protowire.AppendString(field, l.name)
			field = protowire.AppendTag(field, 2, protowire.BytesType)
			field = protowire.AppendString(field, l.value)
			series = protowire.AppendTag(series, 1, protowire.BytesType)
			series = protowire.AppendBytes(series, field)
		}
		field = protowire.AppendTag(field[:0], 1, protowire.Fixed64Type)
		field = protowire.AppendFixed64(field, math.Float64bits(one.value))
		field = protowire.AppendTag(field, 2, protowire.VarintType)
		field = protowire.AppendVarint(field, uint64(at))
		series = protowire.AppendTag(series, 2, protowire.BytesType)
		series = protowire.AppendBytes(series, field)
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendBytes(message, series)
	}
	return message
}

// encoded is a message that client_golang does not encode any more.
type encoded []byte

func (e encoded) Size() int                                  { return len(e) }
func (e encoded) MarshalToSizedBuffer(b []byte) (int, error) { return copy(b, e), nil }

// messageV2 is the message of remote write 2.0.
func messageV2(part []reading, at int64) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	request := &writev2.Request{Timeseries: make([]*writev2.TimeSeries, len(part))}
	for i, one := range part {
		series := &writev2.TimeSeries{LabelsRefs: make([]uint32, 0, 2*len(one.labels)),
			Metadata: &writev2.Metadata{Type: kinds[one.kind], HelpRef: symbols.Symbolize(one.help)}}
		for _, l := range one.labels {
			series.LabelsRefs = append(series.LabelsRefs, symbols.Symbolize(l.name), symbols.Symbolize(l.value))
		}
		if one.native == nil {
			series.Samples = []*writev2.Sample{{Value: one.value, Timestamp: at}}
		} else {
			series.Histograms = []*writev2.Histogram{nativeV2(one.native, at)}
		}
		request.Timeseries[i] = series
	}
	request.Symbols = symbols.Symbols()
	return request
}

var kinds = map[dto.MetricType]writev2.Metadata_MetricType{
	dto.MetricType_COUNTER:         writev2.Metadata_METRIC_TYPE_COUNTER,
	dto.MetricType_GAUGE:           writev2.Metadata_METRIC_TYPE_GAUGE,
	dto.MetricType_SUMMARY:         writev2.Metadata_METRIC_TYPE_SUMMARY,
	dto.MetricType_HISTOGRAM:       writev2.Metadata_METRIC_TYPE_HISTOGRAM,
	dto.MetricType_GAUGE_HISTOGRAM: writev2.Metadata_METRIC_TYPE_GAUGEHISTOGRAM,
}

func nativeV2(h *dto.Histogram, at int64) *writev2.Histogram {
	return &writev2.Histogram{
		Count: &writev2.Histogram_CountInt{CountInt: h.GetSampleCount()}, Sum: h.GetSampleSum(), Schema: h.GetSchema(),
		ZeroThreshold: h.GetZeroThreshold(), ZeroCount: &writev2.Histogram_ZeroCountInt{ZeroCountInt: h.GetZeroCount()},
		PositiveSpans: spansV2(h.PositiveSpan), PositiveDeltas: h.PositiveDelta,
		NegativeSpans: spansV2(h.NegativeSpan), NegativeDeltas: h.NegativeDelta,
		Timestamp: at,
	}
}

func spansV2(spans []*dto.BucketSpan) []*writev2.BucketSpan {
	all := make([]*writev2.BucketSpan, len(spans))
	for i, s := range spans {
		all[i] = &writev2.BucketSpan{Offset: s.GetOffset(), Length: s.GetLength()}
	}
	return all
}
