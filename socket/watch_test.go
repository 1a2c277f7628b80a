package socket

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func watched(t *testing.T) (*Set, string, <-chan Damage) {
	t.Helper()
	set, dir := newTestSet(t)
	damages := make(chan Damage, 100)
	set.Watch(func(d Damage) { damages <- d })
	return set, dir, damages
}

func wantDamage(t *testing.T, damages <-chan Damage, key string, kind Kind) Damage {
	t.Helper()
	late := time.After(deadline)
	for {
		select {
		case d := <-damages:
			if d.Key == key && d.Kind == kind && matches(d.Err, key) {
				return d
			}
			t.Fatalf("reported %+v, want %s %s", d, key, kind)
		case <-late:
			t.Fatalf("%s %s was not reported", key, kind)
		}
	}
}

func TestShutDownAndRepaired(t *testing.T) {
	tests := []struct{ network, how string }{{"tcp4", "both"}, {"tcp4", "read"}, {"tcp6", "both"}, {"unix", "both"}, {"unix", "read"}}
	for _, test := range tests {
		t.Run(test.network+" "+test.how, func(t *testing.T) {
			set, dir, damages := watched(t)
			listen := map[string]string{"tcp4": "tcp:127.0.0.1:0", "tcp6": "tcp:[::]:0", "unix": "unix:" + dir + "/s"}[test.network]
			if test.network == "tcp6" {
				needIPv6(t)
			}
			must(t, apply(set, specs("app/s", listen)))
			old := set.Get("app/s")
			held, err := unix.Dup(old.Fd()) // a worker that goes on holding it
			must(t, err)
			defer unix.Close(held)
			answers(t, old)

			if out, ok := helper(t, nil, old.Fd(), "shutdown", test.how); !ok {
				t.Fatal(out)
			}
			d := wantDamage(t, damages, "app/s", ShutDown)
			if c, err := dial(old); err == nil {
				c.Close()
				t.Fatal("it still takes connections")
			}
			must(t, set.Repair(d))
			now := set.Get("app/s")
			if now.Fd() != old.Fd() {
				t.Errorf("descriptor %d became %d", old.Fd(), now.Fd())
			}
			if _, was := old.Addr(); addressOf(now) != was {
				t.Errorf("address %s became %s", was, addressOf(now))
			}
			answers(t, now)

			// Once repaired, it is watched like before, and repaired again.
			must(t, unix.Shutdown(now.Fd(), unix.SHUT_RDWR))
			must(t, set.Repair(wantDamage(t, damages, "app/s", ShutDown)))
			answers(t, set.Get("app/s"))
			if got := entries(t, dir+"/keep"); test.network == "unix" && len(got) != 1 {
				t.Errorf("kept links: %q", got)
			}
		})
	}
}

func addressOf(s *Socket) string {
	_, address := s.Addr()
	return address
}

func TestUnlinkedAndRepaired(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"removed", func(t *testing.T, p string) { must(t, os.Remove(p)) }},
		{"moved away", func(t *testing.T, p string) { must(t, os.Rename(p, p+".old")) }},
		{"stale socket over it", func(t *testing.T, p string) {
			occupy(t, p+"2", unix.SOCK_STREAM, 1)()
			must(t, os.Rename(p+"2", p))
		}},
		{"directory removed", func(t *testing.T, p string) { must(t, os.RemoveAll(filepath.Dir(p))) }},
		{"directory moved away", func(t *testing.T, p string) { must(t, os.Rename(filepath.Dir(p), filepath.Dir(p)+".old")) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, dir, damages := watched(t)
			path := dir + "/run/s"
			must(t, apply(set, map[string]Spec{"app/s": {Listen: "unix:" + path, Mode: 0o640}}))
			sock := set.Get("app/s")
			for range 2 { // the second time shows that it is watched again
				test.damage(t, path)
				must(t, set.Repair(wantDamage(t, damages, "app/s", Unlinked)))
				if set.Get("app/s") != sock || !sock.atPath() {
					t.Error("the path does not lead to the same socket")
				}
				if got, err := lookAt(path); got.mode != unix.S_IFSOCK|0o640 {
					t.Errorf("mode %o, %v", got.mode, err)
				}
				answers(t, sock)
				repeated(t, set, damages)
				must(t, os.RemoveAll(dir+"/run.old"))
				must(t, os.RemoveAll(path+".old")) // rename(2) of one link over another does nothing
			}
			if got := entries(t, dir+"/keep"); len(got) != 1 {
				t.Errorf("kept links: %q", got)
			}
		})
	}
}

// repeated takes what was reported twice, which is allowed: then the repair must
// change nothing.
func repeated(t *testing.T, set *Set, damages <-chan Damage) {
	t.Helper()
	before := set.Get("app/s")
	for {
		select {
		case d := <-damages:
			must(t, set.Repair(d))
		default:
			if set.Get("app/s") != before {
				t.Error("repairing again made another socket")
			}
			return
		}
	}
}

func TestRepairRefusesALivingForeigner(t *testing.T) {
	set, dir, damages := watched(t)
	path := dir + "/s"
	must(t, apply(set, specs("app/s", "unix:"+path)))
	must(t, os.Remove(path))
	d := wantDamage(t, damages, "app/s", Unlinked)
	foreign, err := net.Listen("unix", path)
	must(t, err)
	if err := set.Repair(d); !matches(err, "another process is listening on") {
		t.Errorf("error %v", err)
	}
	must(t, foreign.Close())
	must(t, set.Repair(d))
	answers(t, set.Get("app/s"))
}

func TestRepairRefusesAFile(t *testing.T) {
	set, dir, damages := watched(t)
	path := dir + "/s"
	must(t, apply(set, specs("app/s", "unix:"+path)))
	must(t, os.WriteFile(path+"2", []byte("precious"), 0o600))
	must(t, os.Rename(path+"2", path))
	if err := set.Repair(wantDamage(t, damages, "app/s", Unlinked)); !matches(err, "is not a socket") {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(path); string(got) != "precious" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestPathAndLinkLost(t *testing.T) {
	set, dir, damages := watched(t)
	must(t, apply(set, specs("app/s", "unix:"+dir+"/run/s")))
	kept := set.Get("app/s").kept
	must(t, kept.unlink())
	must(t, os.RemoveAll(dir+"/run"))
	d := wantDamage(t, damages, "app/s", Unlinked)
	if err := set.Repair(d); !errors.Is(err, ErrPathLost) {
		t.Errorf("error %v, want ErrPathLost", err)
	}
	d.Kind = ShutDown
	must(t, set.Repair(d))
	answers(t, set.Get("app/s"))
}

func TestRepairOfWhatIsFine(t *testing.T) {
	set, dir, _ := watched(t)
	must(t, apply(set, specs("app/s", "unix:"+dir+"/s", "app/t", "tcp:127.0.0.1:0", "app/u", "udp:127.0.0.1:0")))
	for _, key := range []string{"app/s", "app/t", "app/u", "app/gone"} {
		before := set.Get(key)
		must(t, set.Repair(Damage{Key: key, Kind: ShutDown}))
		must(t, set.Repair(Damage{Key: key, Kind: Unlinked}))
		if set.Get(key) != before {
			t.Errorf("%s was opened anew", key)
		}
	}
}

func TestDamageBeforeWatch(t *testing.T) {
	set, dir := newTestSet(t)
	must(t, apply(set, specs("app/s", "unix:"+dir+"/s")))
	must(t, os.Remove(dir+"/s"))
	damages := make(chan Damage, 100)
	set.Watch(func(d Damage) { damages <- d })
	wantDamage(t, damages, "app/s", Unlinked)
}

// Clients never see anything but "refused" while a dead listener is replaced:
// the path exists all the time, with a socket they may connect to.
func TestHammeredWhileRepaired(t *testing.T) {
	set, dir, damages := watched(t)
	path := dir + "/s"
	must(t, apply(set, specs("app/s", "unix:"+path)))
	stop, seen := make(chan struct{}), make(chan map[error]int)
	go func() {
		errs := map[error]int{}
		for {
			select {
			case <-stop:
				seen <- errs
				return
			default:
				errs[tryConnect(path)]++
			}
		}
	}()
	for range 30 {
		must(t, unix.Shutdown(set.Get("app/s").Fd(), unix.SHUT_RDWR))
		must(t, set.Repair(wantDamage(t, damages, "app/s", ShutDown)))
	}
	if err := tryConnect(path); err != nil && err != unix.EAGAIN {
		t.Error(err)
	}
	close(stop)
	for err, n := range <-seen {
		if err != nil && err != unix.ECONNREFUSED && err != unix.EAGAIN {
			t.Errorf("%d connects: %v", n, err)
		}
	}
}

// Restoring a path that is there already, as a late report makes it, is never
// seen by a client.
func TestHammeredWhileRelinked(t *testing.T) {
	set, dir := newTestSet(t)
	path := dir + "/s"
	must(t, apply(set, specs("app/s", "unix:"+path)))
	sock := set.Get("app/s")
	stop, seen := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				seen <- nil
				return
			default:
				if err := tryConnect(path); err != nil && err != unix.EAGAIN {
					seen <- err
					return
				}
			}
		}
	}()
	parent, err := openDirectory(dir)
	must(t, err)
	defer parent.close()
	for range 200 {
		must(t, sock.kept.restore(parent, "s", 0))
	}
	close(stop)
	if err := <-seen; err != nil {
		t.Error(err)
	}
}

// While nothing is damaged the epoll set stays silent, however many connections
// wait and whatever else happens in the directory.
func TestConnectionsWakeNobody(t *testing.T) {
	set, dir := newTestSet(t)
	must(t, apply(set, specs("app/s", "unix:"+dir+"/s", "app/t", "tcp:127.0.0.1:0")))
	var count [8]byte
	_, _ = unix.Read(set.watcher.eventfd, count[:]) // what Apply asked for
	_ = set.watcher.readInotify()
	for _, key := range []string{"app/s", "app/t"} {
		for range 10 {
			client, err := dial(set.Get(key))
			must(t, err)
			defer client.Close()
		}
		if length, _, err := set.Get(key).Queue(); length != 10 {
			t.Fatalf("%d connections wait, %v", length, err)
		}
	}
	events := make([]unix.EpollEvent, 8)
	if n, err := unix.EpollWait(set.watcher.epfd, events, 0); n != 0 || err != nil {
		t.Errorf("%d events: %+v, %v", n, events[:max(n, 0)], err)
	}
	must(t, os.WriteFile(dir+"/another", nil, 0o600))
	must(t, os.Remove(dir+"/another"))
	if set.watcher.readInotify() {
		t.Error("another file in the directory concerned a socket")
	}
}
