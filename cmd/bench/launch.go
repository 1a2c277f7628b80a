package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

const (
	launchRounds = 40
	launchBatch  = 10
)

// way is one way to run a program up to its reaping.
type way struct {
	name string
	run  func() error
}

// interleave runs the ways in random order, round after round, so that what else
// the machine does affects all of them alike, and gives the median of each.
func interleave(ctx context.Context, ways []way) (map[string]time.Duration, error) {
	times := map[string][]time.Duration{}
	for range launchRounds {
		for _, i := range rand.Perm(len(ways)) {
			for range launchBatch {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				began := now()
				if err := ways[i].run(); err != nil {
					return nil, fmt.Errorf("%s: %w", ways[i].name, err)
				}
				times[ways[i].name] = append(times[ways[i].name], now()-began)
			}
		}
	}
	medians := map[string]time.Duration{}
	for name, t := range times {
		medians[name] = median(t)
	}
	return medians, nil
}

func command(argv ...string) func() error {
	return func() error { return exec.Command(argv[0], argv[1:]...).Run() }
}

// launches compares the launch plan with os/exec, which drops nothing, and with
// the programs that drop privileges for others.
func launches(ctx context.Context, b *bench) error {
	child := b.program("child")
	plan, err := planned(child)
	if err != nil {
		return err
	}
	ways := []way{{"os/exec, nothing dropped", command(child)}, {"plan", plan}}
	ways = append(ways, installed(
		[]string{"chpst", "-u", "nobody", child},
		[]string{"s6-applyuidgid", "-u", "65534", "-g", "65534", child},
		setpriv(child),
	)...)
	medians, err := interleave(ctx, ways)
	if err != nil {
		return err
	}
	base := medians[ways[0].name]
	goal := "≤ 1.3"
	for _, w := range ways {
		if w.name == "plan" {
			b.add(row{"launch with everything dropped, to reaping", millis(medians["plan"]), millis(base) + " " + ways[0].name, ratio(medians["plan"], base), goal})
		} else if w.name != ways[0].name {
			b.add(row{"  the same by " + w.name, "", millis(medians[w.name]), ratio(medians[w.name], base), "-"})
		}
	}
	return nil
}

func setpriv(child string) []string {
	return []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", child}
}

// installed gives those of the commands that can be run here: by root, and if the
// program is there.
func installed(commands ...[]string) (ways []way) {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, argv := range commands {
		if path, err := exec.LookPath(argv[0]); err == nil {
			ways = append(ways, way{argv[0], command(append([]string{path}, argv[1:]...)...)})
		}
	}
	return ways
}

// planned gives a function that launches as supd does, with a new plan each time.
func planned(child string) (func() error, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	spec := privdrop.Spec{Argv: []string{child}, Dir: "/", Session: true}
	umask := privdrop.Umask(0o027)
	spec.Umask = &umask
	if os.Geteuid() == 0 {
		if spec.Account, err = privdrop.Lookup(privdrop.Identity{User: "nobody"}); err != nil {
			return nil, err
		}
	}
	return func() error {
		fd := int(null.Fd()) // in here, so that null is not garbage collected
		spec.Files = []int{fd, fd, fd}
		return launchAndReap(spec)
	}, nil
}

func launchAndReap(spec privdrop.Spec) error {
	plan, err := spec.Plan()
	if err != nil {
		return err
	}
	p, err := plan.Start()
	if err != nil {
		return err
	}
	defer p.Close()
	var status unix.WaitStatus
	for {
		_, err = unix.Wait4(p.Pid, &status, 0, nil)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil && status.ExitStatus() != 0 {
		err = fmt.Errorf("exited with %d", status.ExitStatus())
	}
	return err
}

// suprun compares suprun, a Go program that has to start first, with the C program
// that can drop the same privileges.
func suprun(ctx context.Context, b *bench) error {
	child := b.program("child")
	ways := installed(setpriv(child))
	if len(ways) == 0 {
		return nil
	}
	ways = append(ways, way{"suprun", command(filepath.Join(b.bin, "suprun"), "--user", "nobody", "--", child)})
	medians, err := interleave(ctx, ways)
	if err != nil {
		return err
	}
	b.add(row{"suprun by hand", millis(medians["suprun"]), millis(medians["setpriv"]) + " setpriv", ratio(medians["suprun"], medians["setpriv"]), "≤ 1"})
	return nil
}
