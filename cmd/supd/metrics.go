package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"supd/configs"
	"supd/metrics"
	"supd/socket"
)

// scraped is where metrics are asked for.
type scraped struct {
	log      *slog.Logger
	config   configs.Metrics
	listener net.Listener // nil: off, or not yet open
}

// openMetrics opens an address that somebody has written down, or says why it cannot: then
// serve tries again. The default one is left to serve: it may have been taken by another
// supd.
func openMetrics(c configs.Metrics, log *slog.Logger) (*scraped, error) {
	s := &scraped{log: log, config: c}
	spec, on := c.Spec()
	if !on || !c.Stated {
		return s, nil
	}
	var err error
	if s.listener, err = metrics.Open(spec, log); err != nil {
		return s, fmt.Errorf("metrics.listen: %w; set another address, or \"\" for none", err)
	}
	return s, nil
}

// push begins to push, and gives what is to be called when the workers have been
// stopped: the last push, which shows that.
func push(answers *metrics.Server, c configs.Push, log *slog.Logger) (end func(), err error) {
	pusher, err := answers.NewPusher(c, log)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pusher.Run(running)
	}()
	return func() {
		stop()
		<-ended
		pusher.Last()
	}, nil
}

// openInterval is how often the address is tried while somebody else has it.
const openInterval = 10 * time.Second

// openLater opens the address as soon as it can be had.
func (s *scraped) openLater(spec socket.Spec) net.Listener {
	for said := false; ; said = true {
		l, err := metrics.Open(spec, s.log)
		if err == nil {
			return l
		}
		if !said {
			s.log.Error("no metrics yet, trying again", "error", err, "remedy", "set metrics.listen, which may be \"\"")
		}
		time.Sleep(openInterval)
	}
}

// serve answers until the server is closed.
func (s *scraped) serve(server *metrics.Server) {
	spec, on := s.config.Spec()
	if !on {
		return
	}
	if s.listener == nil {
		s.listener = s.openLater(spec)
	}
	s.log.Info("metrics", "listen", s.listener.Addr().String())
	if err := server.Serve(s.listener); err != nil {
		s.log.Error("no metrics any more", "error", err)
	}
}
