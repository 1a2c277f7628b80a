package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"supd/cmd/demo/load"
)

const (
	restarts       = 3
	requestRate    = 400
	requestClients = 16
	beforeAndAfter = 500 * time.Millisecond // of load around each restart
)

const slowApp = `import time
time.sleep(1)
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
`

// restart measures the restart of a gunicorn whose application takes a second to
// import.
func restart(ctx context.Context, b *bench) (err error) {
	if exec.Command("/usr/bin/python3", "-c", "import gunicorn").Run() != nil {
		b.add(row{what: "restart of gunicorn under load: gunicorn is not installed"})
		return nil
	}
	if err := os.WriteFile(filepath.Join(b.dir, "slow.py"), []byte(slowApp), 0o644); err != nil {
		return err
	}
	d, err := b.supd(fmt.Sprintf(`
[socket.web]
listen = "unix:@DIR@/web.sock"
[process.web]
command   = "/usr/bin/python3 -B -m gunicorn --workers 2 slow:app"
directory = "%s"
sockets   = ["web"]
ready     = { http = "/" }
stop      = [["TERM", "35s"]]
`, b.dir))
	if err != nil {
		return err
	}
	defer func() {
		if e := d.stop(); err == nil {
			err = e
		}
	}()
	if err := d.ready(); err != nil {
		return err
	}
	lost, served, silence := 0, 0, []time.Duration{}
	for range restarts {
		r, err := restartOnce(ctx, d)
		if err != nil {
			return err
		}
		lost, served, silence = lost+r.Lost, served+r.Served, append(silence, r.Silence)
	}
	b.add(row{"restart of gunicorn, import 1 s, 400 requests/s: failed", fmt.Sprintf("%d of %d", lost, lost+served), "", "", "0"})
	b.add(row{"  longest silence", millis(median(silence)), "", "", "≤ 15 ms"})
	return nil
}

func restartOnce(ctx context.Context, d *daemon) (load.Report, error) {
	l := load.Start(load.Target{Network: "unix", Address: filepath.Join(d.dir, "web.sock"), Path: "/", Clients: requestClients, Rate: requestRate})
	time.Sleep(beforeAndAfter)
	_, err := d.supctl("restart", "bench")
	time.Sleep(beforeAndAfter)
	r := l.Stop()
	if err == nil {
		err = ctx.Err()
	}
	return r, err
}
