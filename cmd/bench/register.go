package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	registerRounds = 7
	installedFiles = 10_000
)

// register compares `supctl register` of a release that is installed in place,
// which makes a snapshot, with `cp -al`; in memory and on a disk.
func register(ctx context.Context, b *bench) error {
	if err := b.registerIn(ctx, b.dir); err != nil {
		return err
	}
	return onDisk(func(disk string) error { return b.registerIn(ctx, disk) })
}

func (b *bench) registerIn(ctx context.Context, parent string) error {
	d, err := b.configured(parent, map[string]string{"bench": `
[release]
path = "@DIR@/installed"
[process.never]
command = "never"
`})
	if err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	if err := install(filepath.Join(d.dir, "installed")); err != nil {
		return err
	}
	var supctl, copied []time.Duration
	for i := range registerRounds {
		pair := []func() error{
			func() error { return timed(&supctl, func() error { return d.register(i) }) },
			func() error { return timed(&copied, func() error { return d.copyLinks(i) }) },
		}
		for k := range pair { // they take turns at being the first
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := pair[(i+k)%2](); err != nil {
				return err
			}
		}
	}
	b.add(row{fmt.Sprintf("register of 10,000 files in place, in %s", filepath.Dir(parent)), spread(supctl),
		spread(copied) + " cp -al", ratio(median(supctl), median(copied)), "≤ 2"})
	return nil
}

// timed runs do once all earlier writes are on the disk, so that it does not pay
// for those.
func timed(times *[]time.Duration, do func() error) error {
	unix.Sync()
	began := now()
	err := do()
	*times = append(*times, now()-began)
	return err
}

// register makes one more version of the installed files known, without a supd.
func (d *daemon) register(number int) error {
	_, err := d.supctl("register", "bench", fmt.Sprint(number))
	return err
}

func (d *daemon) copyLinks(number int) error {
	cmd := exec.Command("cp", "-al", filepath.Join(d.dir, "installed"), filepath.Join(d.dir, fmt.Sprint("copy", number)))
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return err
}

// install makes something like a virtualenv.
func install(root string) error {
	text := make([]byte, 2000)
	for i := range installedFiles {
		dir := filepath.Join(root, "lib/python3/site-packages", fmt.Sprint("package", i/100), fmt.Sprint("part", i/20%5))
		if i%20 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("module%d.py", i)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
