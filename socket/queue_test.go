package socket

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestQueue(t *testing.T) {
	for _, listen := range []string{"tcp:127.0.0.1:0", "unix:" + shortDir(t) + "/s"} {
		sock := mustOpen(t, Spec{Listen: listen, Backlog: 77})
		wantQueue(t, sock, 0, 77)
		for range 5 { // nobody accepts
			client, err := dial(sock)
			must(t, err)
			defer client.Close()
		}
		wantQueue(t, sock, 5, 77)
		must(t, acceptOne(sock.Fd()))
		wantQueue(t, sock, 4, 77)

		// As gunicorn does at each start, on the descriptor it was given.
		must(t, unix.Listen(sock.Fd(), 9))
		wantQueue(t, sock, 4, 9)
		must(t, sock.Relisten())
		wantQueue(t, sock, 4, 77)
	}
}

func wantQueue(t *testing.T, sock *Socket, length, limit int) {
	t.Helper()
	gotLength, gotLimit, err := sock.Queue()
	if err != nil || gotLength != length || gotLimit != limit {
		t.Errorf("%s: Queue() = %d, %d, %v, want %d, %d", sock.Spec().Listen, gotLength, gotLimit, err, length, limit)
	}
}

// A handshake that does not fit into the queue is dropped, and the client tries again.
func TestDrops(t *testing.T) {
	sock := mustOpen(t, Spec{Listen: "tcp:127.0.0.1:0", Backlog: 1})
	if drops, err := sock.Drops(); err != nil || drops != 0 {
		t.Fatalf("Drops() = %d, %v at first", drops, err)
	}
	for range 8 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		at := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(sock.bound.Port())}
		if err := unix.Connect(fd, at); err != unix.EINPROGRESS && err != nil {
			t.Fatal(err)
		}
	}
	if drops, err := sock.Drops(); err != nil || drops < 1 {
		t.Errorf("Drops() = %d, %v, want some", drops, err)
	}
	if drops, err := mustOpen(t, Spec{Listen: "unix:" + shortDir(t) + "/s"}).Drops(); err != nil || drops != -1 {
		t.Errorf("of a unix socket: %d, %v", drops, err)
	}
}

func TestQueueDefaultBacklog(t *testing.T) {
	sock := mustOpen(t, Spec{Listen: "unix:" + shortDir(t) + "/s"})
	_, limit, err := sock.Queue()
	if err != nil || limit > DefaultBacklog || limit < 1 { // net.core.somaxconn may be lower
		t.Errorf("limit %d, %v, want %d", limit, err, DefaultBacklog)
	}
}

func TestQueueOfUDP(t *testing.T) {
	sock := mustOpen(t, Spec{Listen: "udp:127.0.0.1:0"})
	if _, _, err := sock.Queue(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

func FuzzFindDetail(f *testing.F) {
	f.Add(make([]byte, 48))
	f.Add([]byte{36, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, reply []byte) {
		body, err := bodyOf(reply)
		if err != nil {
			return
		}
		for _, d := range []detail{detailQueue, detailFile} {
			if payload, err := d.find(body); err == nil && len(payload) != d.size {
				t.Errorf("%s of %d bytes", d.name, len(payload))
			}
		}
	})
}
