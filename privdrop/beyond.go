package privdrop

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Beyond says by its key, and "limits." before the name of a limit, which settings this
// process may give to no child: every launch with them would fail. What Impossible says is
// not said again.
func (r Resources) Beyond(capabilities []string) map[string]error {
	h, all := thisProcess(), map[string]error{}
	add := func(key string, err error) {
		if err != nil {
			all[key] = err
		}
	}
	impossible := r.Limits.Impossible(false)
	for name, limit := range r.Limits {
		if _, said := impossible[name]; !said {
			add("limits."+name, h.mayLimit(name, limit))
		}
	}
	if r.Nice != nil {
		add("nice", h.mayNice(*r.Nice))
	}
	if r.OOMScoreAdjust != nil {
		add("oom_score_adjust", mayAdjust(*r.OOMScoreAdjust))
	}
	for _, name := range ExpandCapabilities(capabilities) {
		if _, err := h.capability(name); err != nil {
			add("capabilities", err) // the first, as the launch does
			break
		}
	}
	return all
}

// mayLimit goes by setrlimit(2).
func (h host) mayLimit(name string, limit Limit) error {
	var have unix.Rlimit
	if h.has(unix.CAP_SYS_RESOURCE) || unix.Getrlimit(resources[name], &have) != nil || limit.Hard <= have.Max {
		return nil
	}
	return fmt.Errorf("%s: %w", limit, whyNoLimit(name))
}

// mayNice goes by setpriority(2) and getrlimit(2), RLIMIT_NICE.
func (h host) mayNice(n int) error {
	value, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || h.has(unix.CAP_SYS_NICE) {
		return nil
	}
	least := 20 - value // as the system call returns it
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NICE, &limit) == nil {
		least = min(least, 20-int(min(limit.Cur, 40)))
	}
	if n < least {
		return fmt.Errorf("%d: %w", n, errTooNice)
	}
	return nil
}

const ownScore = "/proc/self/oom_score_adj"

// mayAdjust tries it, and takes it back, which anybody may: how low a process without
// CAP_SYS_RESOURCE may go is in no file (proc_pid_oom_score_adj(5)).
func mayAdjust(n int) error {
	text, err := files.Read(ownScore)
	if err != nil {
		return nil
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n >= own {
		return nil
	}
	switch err := os.WriteFile(ownScore, []byte(strconv.Itoa(n)), 0); {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%d: %w", n, errScore)
	case err != nil:
		return err
	}
	return os.WriteFile(ownScore, []byte(strconv.Itoa(own)), 0)
}
