package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// daemon is a whole supd in a directory of its own.
type daemon struct {
	*process
	b   *bench
	dir string
}

const daemonFile = `[daemon]
apps    = "apps"
state   = "state"
runtime = "run"
logs    = "logs"

[control]
socket = "run/supd.sock"

[metrics]
listen = "unix:metrics.sock"
`

// supd starts a daemon with an app named bench.
func (b *bench) supd(app string) (*daemon, error) { return b.supds(map[string]string{"bench": app}) }

// supds starts a daemon with some apps.
func (b *bench) supds(apps map[string]string) (*daemon, error) {
	d, err := b.configured(b.dir, apps)
	if err != nil {
		return nil, err
	}
	return d, d.launch()
}

// configured makes a daemon that is not started yet, in a new directory beneath
// parent. If root measures, the apps run as nobody, so that all privileges are
// dropped. @DIR@ in their texts becomes the directory.
func (b *bench) configured(parent string, apps map[string]string) (*daemon, error) {
	dir, err := os.MkdirTemp(parent, "supd-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "apps"), 0o755); err != nil {
		return nil, err
	}
	d := &daemon{b: b, dir: dir}
	if err := os.WriteFile(d.config(), []byte(daemonFile), 0o644); err != nil {
		return nil, err
	}
	for name, app := range apps {
		if os.Geteuid() == 0 {
			app = "user = \"nobody\"\n" + app
		}
		if err := os.WriteFile(filepath.Join(dir, "apps", name+".toml"), []byte(strings.ReplaceAll(app, "@DIR@", dir)), 0o644); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// launch starts supd, also again after it has ended.
func (d *daemon) launch() (err error) {
	d.process, err = d.b.start(filepath.Join(d.b.bin, "supd"), "--config", d.config())
	return err
}

func (d *daemon) config() string  { return filepath.Join(d.dir, "supd.toml") }
func (d *daemon) control() string { return filepath.Join(d.dir, "run/supd.sock") }

func (d *daemon) supctl(args ...string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(d.b.bin, "supctl"), append([]string{"--socket", d.control()}, args...)...)
	cmd.Env = append(os.Environ(), "SUPD_CONFIG="+d.config())
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return out, err
}

// ready waits until all workers run.
func (d *daemon) ready() (err error) {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err = d.supctl("status"); err == nil {
			return nil
		}
		select {
		case <-d.exited:
			return fmt.Errorf("supd has ended\n%s", d.lastWords())
		default:
		}
	}
	return err
}

func (d *daemon) lastWords() []byte {
	text, _ := os.ReadFile(d.log)
	return bytes.TrimSpace(text[max(0, len(text)-2000):])
}
