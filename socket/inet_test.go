package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func needIPv6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this host has no IPv6: %v", err)
	}
	l.Close()
}

func TestOpenTCP(t *testing.T) {
	tests := []struct {
		listen string
		ipv6   bool
		dials  string // host of Addr
		hosts  []string
		silent []string
	}{
		{"tcp:127.0.0.1:0", false, "127.0.0.1", []string{"127.0.0.1"}, []string{"127.0.0.2"}},
		{"tcp:localhost:0", false, "127.0.0.1", []string{"127.0.0.1"}, nil},
		{"tcp:0.0.0.0:0", false, "127.0.0.1", []string{"127.0.0.1", "127.0.0.2"}, nil},
		{"tcp:[::1]:0", true, "::1", []string{"::1"}, []string{"127.0.0.1"}},
		{"tcp:[::]:0", true, "::1", []string{"::1", "127.0.0.1"}, nil},
		{"tcp:*:0", true, "::1", []string{"::1", "127.0.0.1"}, nil},
	}
	for _, test := range tests {
		t.Run(test.listen, func(t *testing.T) {
			if test.ipv6 {
				needIPv6(t)
			}
			sock := mustOpen(t, Spec{Listen: test.listen})
			network, address := sock.Addr()
			host, port, _ := net.SplitHostPort(address)
			if network != "tcp" || host != test.dials || port == "0" {
				t.Errorf("Addr() = %q, %q, want host %q and a real port", network, address, test.dials)
			}
			for _, host := range test.hosts {
				reaches(t, sock, "tcp", net.JoinHostPort(host, port))
			}
			for _, host := range test.silent {
				if c, err := net.Dial("tcp", net.JoinHostPort(host, port)); err == nil {
					c.Close()
					t.Errorf("%s answers on %s too", test.listen, host)
				}
			}
		})
	}
}

func TestOpenUDP(t *testing.T) {
	sock := mustOpen(t, Spec{Listen: "udp:127.0.0.1:0"})
	client, err := dial(sock)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	poll := []unix.PollFd{{Fd: int32(sock.Fd()), Events: unix.POLLIN}}
	if _, err := unix.Poll(poll, int(deadline.Milliseconds())); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 16)
	if n, _, err := unix.Recvfrom(sock.Fd(), got, 0); err != nil || string(got[:n]) != "hello" {
		t.Errorf("got %q, %v", got[:max(n, 0)], err)
	}
	_, address := sock.Addr()
	if second, err := Open(Spec{Listen: "udp:" + address}); err == nil {
		second.Close()
		t.Error("two sockets share one udp port")
	}
	if err := sock.Relisten(); err != nil {
		t.Error(err)
	}
}

func TestDescriptorFlags(t *testing.T) {
	path := shortDir(t) + "/s"
	for _, listen := range []string{"tcp:127.0.0.1:0", "udp:127.0.0.1:0", "unix:" + path} {
		fd := mustOpen(t, Spec{Listen: listen}).Fd()
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: not close-on-exec (%v)", listen, err)
		}
		status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || status&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: blocks (%v)", listen, err)
		}
	}
}

func TestAcceptedHasNoDelay(t *testing.T) {
	sock := mustOpen(t, Spec{Listen: "tcp:127.0.0.1:0"})
	client, err := dial(sock)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	poll := []unix.PollFd{{Fd: int32(sock.Fd()), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, int(deadline.Milliseconds())); n != 1 {
		t.Fatal("nothing to accept", err)
	}
	conn, _, err := unix.Accept4(sock.Fd(), unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(conn)
	if on, err := unix.GetsockoptInt(conn, unix.IPPROTO_TCP, unix.TCP_NODELAY); on == 0 || err != nil {
		t.Errorf("TCP_NODELAY of an accepted connection is %d, %v", on, err)
	}
}

func TestAddressInUse(t *testing.T) {
	for network, command := range map[string]string{"tcp": "`ss -Hltnp ", "udp": "`ss -Hlunp "} {
		first := mustOpen(t, Spec{Listen: network + ":127.0.0.1:0"})
		_, address := first.Addr()
		_, err := Open(Spec{Listen: network + ":" + address})
		if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), command) {
			t.Errorf("error %v, want EADDRINUSE and what to do: %s", err, command)
		}
	}
}

func TestAddressNotOfThisHost(t *testing.T) {
	_, err := Open(Spec{Listen: "tcp:192.0.2.1:80"}) // TEST-NET-1, RFC 5737
	if !matches(err, "no interface of this host has 192.0.2.1") && !matches(err, "CAP_NET_BIND_SERVICE") {
		t.Errorf("error %v", err)
	}
}

func TestReopenAfterConnections(t *testing.T) {
	sock, err := Open(Spec{Listen: "tcp:127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	_, address := sock.Addr()
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := acceptOne(sock.Fd()); err != nil { // closed by the server: TIME_WAIT is its
		t.Fatal(err)
	}
	client.Close()
	if err := sock.Close(); err != nil {
		t.Fatal(err)
	}
	answers(t, mustOpen(t, Spec{Listen: "tcp:" + address}))
}

func TestPort80(t *testing.T) {
	needRoot(t)
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, ok := helper(t, attr, -1, "port80"); !ok {
		t.Error(out)
	}
}

// openPort80 runs in a network namespace of its own.
func openPort80() error {
	if err := loopbackUp(); err != nil {
		return err
	}
	for _, listen := range []string{"tcp:0.0.0.0:80", "tcp:127.0.0.1:443"} {
		sock, err := Open(Spec{Listen: listen})
		if err != nil {
			return err
		}
		client, err := dial(sock)
		if err != nil {
			return err
		}
		client.Close()
		if err := sock.Close(); err != nil {
			return err
		}
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("SIOCSIFFLAGS", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request))
}

func TestPort80Refused(t *testing.T) {
	needRoot(t)
	// A new network namespace has ip_unprivileged_port_start 1024, whatever the host's is.
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, ok := helper(t, attr, -1, "refused80")
	want := fmt.Sprintf("a port below %d needs root or CAP_NET_BIND_SERVICE", lowestFreePort)
	if ok || !strings.Contains(out, want) {
		t.Errorf("said %q, want %q", out, want)
	}
}
