package metrics

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/singleflight"
	"golang.org/x/sys/unix"

	"supd/socket"
)

// A supd that was killed keeps its descriptors open for some milliseconds after its
// process is seen to be gone, while its threads end. Open waits for that.
const (
	deathTime     = 2 * time.Second
	deathInterval = 5 * time.Millisecond
)

// Open listens for those who scrape. A unix socket comes back when somebody removes it,
// which the log tells.
func Open(spec socket.Spec, log *slog.Logger) (net.Listener, error) {
	l, err := open(spec, log)
	for end := time.Now().Add(deathTime); errors.Is(err, unix.EADDRINUSE) && time.Now().Before(end); {
		time.Sleep(deathInterval)
		l, err = open(spec, log)
	}
	return l, err
}

func open(spec socket.Spec, log *slog.Logger) (net.Listener, error) {
	if network, _, _ := socket.Parse(spec.Listen); network == "unix" {
		return socket.Last(spec, func(err error) {
			if err != nil {
				log.Error("the socket of the metrics was removed and cannot be put back, trying again", "error", err)
				return
			}
			log.Warn("the socket of the metrics was removed, and is back", "listen", spec.Listen)
		})
	}
	s, err := socket.Open(spec)
	if err != nil {
		return nil, err
	}
	l, err := s.Listener()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return l, nil
}

// Server answers those who scrape, and tells figures to those who ask for them otherwise.
type Server struct {
	supd      Supervisor
	version   string
	registry  *prometheus.Registry
	collector *collector
	gatherer  *gatherer
	looks     singleflight.Group // under way
	http      *http.Server
}

// Options are what a Server has beside its Supervisor.
type Options struct {
	Version            string // supd's
	Log                *slog.Logger
	ProportionalMemory bool       // of workers, is measured
	DroppedLines       func() int // of supd's own log
}

// NewServer makes one.
func NewServer(s Supervisor, o Options) *Server {
	registry := prometheus.NewRegistry()
	server := &Server{supd: s, version: o.Version, registry: registry, collector: newCollector(s, o)}
	server.gatherer = &gatherer{collector: server.collector, registry: registry}
	registry.MustRegister(buildInfo(o.Version, runtime.Version()), droppedLines(o.DroppedLines), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", server.gatherer)
	mux.HandleFunc("GET /healthz", server.health)
	mux.HandleFunc("GET /healthz/{app}", server.appHealth)
	server.http = &http.Server{Handler: answering(mux), ConnContext: knowing, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 3 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	return server
}

// connections is how many there may be: any user of the machine can make some, and
// each takes one of supd's descriptors.
const connections = 64

// Serve answers until Close, or until it cannot accept any more.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(newBounded(l, connections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Close ends all answers.
func (s *Server) Close() error { return s.http.Close() }
