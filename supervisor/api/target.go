package api

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Target names workers, as people write it on a command line.
type Target struct {
	app, process, slot string // patterns of path.Match
}

// mostPattern bounds each part: names are shorter, and each is compared with all of them.
const mostPattern = 256

// anything is the pattern of a part that was left out.
const anything = "*"

// ParseTarget reads APP, APP/PROCESS or APP/PROCESS.SLOT, each part a name or a
// glob (path.Match), or "all". A colon means the same as the slash:
// supervisord's "app:process" and "app:*" are understood.
func ParseTarget(s string) (Target, error) {
	if s == "all" {
		return Target{anything, anything, anything}, nil
	}
	app, rest, below := strings.Cut(strings.Replace(s, ":", "/", 1), "/")
	t := Target{app, anything, anything}
	if below {
		t.process = rest
		if dot := strings.LastIndexByte(rest, '.'); dot >= 0 {
			t.process, t.slot = rest[:dot], rest[dot+1:]
		}
	}
	if err := t.check(); err != nil {
		return Target{}, fmt.Errorf("target %.100q: %w", s, err)
	}
	return t, nil
}

func (t Target) check() error {
	if t.app == "" || t.process == "" || t.slot == "" || strings.ContainsAny(t.process, "/:") {
		return fmt.Errorf("want APP, APP/PROCESS, APP/PROCESS.SLOT or all")
	}
	for _, pattern := range []string{t.app, t.process, t.slot} {
		if len(pattern) > mostPattern {
			return fmt.Errorf("a name or glob of %d bytes: want at most %d, names have 64", len(pattern), mostPattern)
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%q is not a valid glob: %w", pattern, err)
		}
	}
	return checkSlot(t.slot)
}

// checkSlot refuses what can match no slot number.
func checkSlot(slot string) error {
	if strings.ContainsAny(slot, `*?[\`) {
		return nil
	}
	if n, err := strconv.Atoi(slot); err != nil || n < 1 || strconv.Itoa(n) != slot {
		return fmt.Errorf("slot %q: want a number from 1 on", slot)
	}
	return nil
}

// Matches reports whether t names this worker. Slots are numbered from 1.
func (t Target) Matches(app, process string, slot int) bool {
	return matches(t.app, app) && matches(t.process, process) && matches(t.slot, strconv.Itoa(slot))
}

// MatchesProcess reports whether t names a whole process, which may have no slot.
func (t Target) MatchesProcess(app, process string) bool {
	return t.slot == anything && matches(t.app, app) && matches(t.process, process)
}

// NamesProcess reports whether t says which of an app's processes it is about.
func (t Target) NamesProcess() bool { return t.process != anything }

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
