package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"supd/supervisor/control"
)

const (
	deploys      = 20
	ownStart     = 50 * time.Millisecond // of the application
	freshWorkers = 2                     // replaced one after the other
)

// deploy measures from the start of supctl until the last new worker is ready,
// minus what the application takes itself. supd's state is on a disk.
func deploy(ctx context.Context, b *bench) error {
	for _, ready := range []string{`notify = true`, `http = "/"`} {
		var times []time.Duration
		err := onDisk(func(disk string) (err error) {
			times, err = b.deploys(ctx, disk, ready)
			return err
		})
		if err != nil {
			return err
		}
		b.add(row{fmt.Sprintf("deploy to %d workers ready (%s), less their own start", freshWorkers, ready), spread(times), "", "", "≤ 100 ms"})
	}
	return nil
}

func (b *bench) deploys(ctx context.Context, disk, ready string) (times []time.Duration, err error) {
	program, err := os.ReadFile(b.program("server"))
	if err != nil {
		return nil, err
	}
	d, err := b.released(disk, fmt.Sprintf(`
[socket.web]
listen = "unix:@DIR@/web.sock"
[process.server]
command = ["{release}/server", "%d"]
count   = %d
sockets = ["web"]
ready   = { %s }
`, ownStart.Milliseconds(), freshWorkers, ready), rolloutAtOnce,
		func(dir string) error { return os.WriteFile(filepath.Join(dir, "server"), program, 0o755) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	for i := range deploys {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		began := time.Now() // the time of day, not CLOCK_MONOTONIC: so are supd's times
		out, err := d.supctl("--json", "deploy", "bench", versions[(i+1)%2])
		if err != nil {
			return nil, err
		}
		last, err := lastReady(out)
		if err != nil {
			return nil, err
		}
		times = append(times, last.Sub(began)-freshWorkers*ownStart)
	}
	return times, nil
}

// lastReady finds in the output of a deploy when the last worker was ready.
func lastReady(out []byte) (at time.Time, err error) {
	ready := 0
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var line control.RolloutLine
		switch err := d.Decode(&line); {
		case errors.Is(err, io.EOF) && ready == freshWorkers:
			return at, nil
		case errors.Is(err, io.EOF):
			return at, fmt.Errorf("%d workers were ready, not %d\n%s", ready, freshWorkers, out)
		case err != nil:
			return at, fmt.Errorf("%w\n%s", err, out)
		}
		if line.Progress != nil && strings.HasPrefix(line.Message, "ready after ") {
			ready++
			at = line.At
		}
	}
}
