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

// lastingServer answers each connection with a byte, and reports what is mended.
func lastingServer(t *testing.T, spec Spec) (l net.Listener, mended <-chan error, ended <-chan error) {
	t.Helper()
	reports, end := make(chan error, 100), make(chan error, 1)
	l, err := Last(spec, func(err error) { reports <- err })
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				end <- err
				return
			}
			c.Write([]byte("x"))
			defer c.Close() // they last as long as the server
		}
	}()
	return l, reports, end
}

// asks connects, and waits for the server's byte.
func asks(path string) (net.Conn, error) {
	c, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(deadline))
	if _, err = c.Read(make([]byte, 1)); err != nil {
		c.Close()
	}
	return c, err
}

// wantMended waits for the report that all is well, or that it is not. It may be tried
// while the damage is still being done.
func wantMended(t *testing.T, mended <-chan error, well bool) {
	t.Helper()
	for late := time.After(deadline); ; {
		select {
		case err := <-mended:
			if (err == nil) == well {
				return
			}
		case <-late:
			t.Fatalf("never mended: %v", well)
		}
	}
}

func TestLasting(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"removed":    func(t *testing.T, p string) { must(t, os.Remove(p)) },
		"moved away": func(t *testing.T, p string) { must(t, os.Rename(p, p+".old")) },
		"directory removed": func(t *testing.T, p string) {
			for os.RemoveAll(filepath.Dir(p)) != nil { // while it comes back
			}
		},
		"directory moved away": func(t *testing.T, p string) { must(t, os.Rename(filepath.Dir(p), filepath.Dir(p)+".old")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			path := dir + "/run/s"
			l, mended, ended := lastingServer(t, Spec{Name: "control", Listen: "unix:" + path, Mode: 0o640})
			for range 3 { // each time it is watched again
				before, err := asks(path)
				must(t, err)
				damage(t, path)
				wantMended(t, mended, true)
				for { // mended before all of the damage was done
					if _, err := os.Lstat(path); err == nil {
						break
					}
					wantMended(t, mended, true)
				}
				if got, err := lookAt(path); got.mode != unix.S_IFSOCK|0o640 {
					t.Errorf("mode %o, %v", got.mode, err)
				}
				after, err := asks(path)
				must(t, err)
				must(t, after.Close())
				before.SetReadDeadline(time.Now())
				if _, err := before.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a connection of before: %v", err)
				}
				must(t, before.Close())
				must(t, os.RemoveAll(dir+"/run.old"))
			}
			must(t, l.Close())
			must(t, l.Close())
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept: %v", err)
			}
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the path after Close: %v", err)
			}
		})
	}
}

// TestLastingWaitsForItsPath: what is there by now is left alone, which is said once;
// when it is gone the socket comes back.
func TestLastingWaitsForItsPath(t *testing.T) {
	path := shortDir(t) + "/s"
	_, mended, _ := lastingServer(t, Spec{Name: "control", Listen: "unix:" + path})
	must(t, os.WriteFile(path+".file", nil, 0o600))
	must(t, os.Rename(path+".file", path))
	wantMended(t, mended, false)
	must(t, os.Remove(path))
	wantMended(t, mended, true)
	c, err := asks(path)
	must(t, err)
	must(t, c.Close())
	select {
	case err := <-mended:
		t.Errorf("mended once more: %v", err)
	default:
	}
}

// TestLastingRefused: nothing is left open.
func TestLastingRefused(t *testing.T) {
	path := shortDir(t) + "/s"
	must(t, os.WriteFile(path, nil, 0o600))
	before := descriptors(t)
	if _, err := Last(Spec{Name: "control", Listen: "unix:" + path}, nil); err == nil {
		t.Error("opened over a file")
	}
	if after := descriptors(t); after > before { // those of other tests may be closed meanwhile
		t.Errorf("%d descriptors, and %d before", after, before)
	}
}

func descriptors(t *testing.T) int { return len(entries(t, "/proc/self/fd")) }

// TestKeepRemoved: second names can be kept although somebody has removed those that
// were kept before.
func TestKeepRemoved(t *testing.T) {
	set, dir, damages := watched(t)
	path := dir + "/run/s"
	must(t, apply(set, specs("app/s", "unix:"+path)))
	must(t, os.RemoveAll(dir+"/keep"))
	must(t, os.Remove(path))
	d := wantDamage(t, damages, "app/s", Unlinked)
	if err := set.Repair(d); !errors.Is(err, ErrPathLost) {
		t.Errorf("repair: %v", err)
	}
	must(t, set.Repair(Damage{Key: "app/s", Kind: ShutDown}))
	answers(t, set.Get("app/s"))
	must(t, apply(set, map[string]Spec{"app/s": {Listen: "unix:" + path}, "app/t": {Listen: "unix:" + dir + "/t"}}))
	if got := entries(t, dir+"/keep"); len(got) != 2 {
		t.Errorf("kept links: %q", got)
	}
}
