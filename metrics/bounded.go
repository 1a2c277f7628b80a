package metrics

import (
	"net"
	"sync"
)

// bounded accepts no more connections at a time than free has room for.
type bounded struct {
	net.Listener
	free chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	b.free <- struct{}{} // waits for one that is closed: each has its deadlines
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &held{c, sync.OnceFunc(func() { <-b.free })}, nil
}

// held is a connection that gives its place back when it is closed.
type held struct {
	net.Conn
	release func()
}

func (h *held) Close() error {
	err := h.Conn.Close()
	h.release()
	return err
}
