package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// helloVariable names the datagram socket at which the show waits for the first
// sign of life of each worker.
const helloVariable = "DEMO_HELLO"

// serve answers on every socket of LISTEN_FDS until TERM comes, then finishes what
// has begun. http.Server.Shutdown would drop the requests of connections that were
// accepted and not yet read from.
func serve() error {
	hello()
	listeners, err := inherited()
	if err != nil {
		return err
	}
	term, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer cancel()

	var open sync.WaitGroup // connections
	server := &http.Server{
		Handler:           http.HandlerFunc(answer),
		ReadHeaderTimeout: 10 * time.Second,
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Done()
			}
		},
	}
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := server.Serve(l); term.Err() == nil {
				log.Fatal(err)
			}
		})
	}
	log.Printf("serving on %d sockets", len(listeners))
	<-term.Done()
	log.Print("TERM: finishing what has begun")
	for _, l := range listeners {
		l.Close() // this worker's descriptor; supd and the others hold theirs
	}
	serving.Wait()
	server.SetKeepAlivesEnabled(false)
	open.Wait()
	return nil
}

func answer(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "%s, generation %s, pid %d, uid %d\n",
		os.Getenv("SUPD_WORKER"), os.Getenv("SUPD_GENERATION"), os.Getpid(), os.Getuid())
}

// inherited takes the sockets over as sd_listen_fds(3) describes it.
func inherited() ([]net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, fmt.Errorf("LISTEN_PID is %q, not this process (%d)", os.Getenv("LISTEN_PID"), os.Getpid())
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil {
		return nil, fmt.Errorf("LISTEN_FDS: %w", err)
	}
	var listeners []net.Listener
	for fd := 3; fd < 3+n; fd++ {
		f := os.NewFile(uintptr(fd), "listener")
		l, err := net.FileListener(f) // a duplicate
		f.Close()
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// hello tells the show that this worker has reached its main. If no show listens,
// the worker works all the same.
func hello() {
	address := os.Getenv(helloVariable)
	if address == "" {
		return
	}
	c, err := net.Dial("unixgram", address)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(time.Second))
	fmt.Fprint(c, os.Getenv("SUPD_WORKER"))
}
