package configs

import (
	"strings"

	"supd/socket"
)

// Metrics is [metrics] of supd.toml.
type Metrics struct {
	Listen string // "127.0.0.1:9188", or "unix:/path"; "" is off
	Stated bool   // Listen is what a file or the environment says, not the default
	// ProportionalMemory says to ask for that of each worker: the kernel walks all pages
	// of a process for it.
	ProportionalMemory bool

	Forward       string // "host:port": statsd datagrams go on there; "" is nowhere
	StatsdMapping string // file that says what statsd names become; "" is none

	Push Push
}

// Mode of the socket where it is a unix socket: like a port of loopback it is there
// for every user of the machine.
const metricsMode = 0o666

// Spec is the socket to be opened; there is none where metrics are off.
func (m Metrics) Spec() (spec socket.Spec, on bool) {
	spec.Name = "metrics"
	switch {
	case m.Listen == "":
		return spec, false
	case strings.HasPrefix(m.Listen, "unix:"):
		spec.Listen, spec.Mode = m.Listen, metricsMode
	default:
		spec.Listen = "tcp:" + m.Listen
	}
	return spec, true
}

var metricsKeys = append([]key[Metrics]{
	{name: "listen", read: readMetricsListen},
	{name: "forward", read: readForward},
	{name: "statsd_mapping", read: readStatsdMapping},
	field("proportional_memory", func(m *Metrics) *bool { return &m.ProportionalMemory }, boolean),
}, pushKeys...)

func readMetricsListen(in input, m *Metrics) {
	s, ok := text(in)
	if !ok {
		return
	}
	if path, unix := strings.CutPrefix(s, "unix:"); unix {
		there := in
		there.value = &value{Kind: in.Kind, Text: path, Place: in.Place}
		if path, ok = absolute(there); !ok {
			return
		}
		s = "unix:" + path
	}
	read := Metrics{Listen: s, Stated: in.Place.File != ""}
	if spec, on := read.Spec(); on {
		if err := spec.Validate(); err != nil {
			in.fail(`%q: want an address and a port such as "127.0.0.1:9188", "unix:/path", or "" for none`, s)
			return
		}
	}
	m.Listen, m.Stated = read.Listen, read.Stated
}
