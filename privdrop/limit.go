package privdrop

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Unlimited is RLIM_INFINITY.
const Unlimited uint64 = math.MaxUint64

// Limit is a resource limit (setrlimit(2)), in bytes or whatever the resource
// counts. Soft is at most Hard.
type Limit struct{ Soft, Hard uint64 }

// Limits are resource limits by name, see LimitNames.
type Limits map[string]Limit

var resources = map[string]int{
	"as":      unix.RLIMIT_AS,
	"core":    unix.RLIMIT_CORE,
	"fsize":   unix.RLIMIT_FSIZE,
	"memlock": unix.RLIMIT_MEMLOCK,
	"nofile":  unix.RLIMIT_NOFILE,
	"nproc":   unix.RLIMIT_NPROC,
	"stack":   unix.RLIMIT_STACK,
}

// LimitNames are the names that Limits knows, sorted.
func LimitNames() []string {
	names := make([]string, 0, len(resources))
	for name := range resources {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// UnmarshalText reads "4096", "512MiB" or "unlimited" for both limits, or the two
// as "1024:4096", soft first.
func (l *Limit) UnmarshalText(text []byte) error {
	soft, hard, two := strings.Cut(string(text), ":")
	if !two {
		hard = soft
	}
	s, err := parseAmount(soft)
	if err != nil {
		return fmt.Errorf("limit %q: %w", text, err)
	}
	h, err := parseAmount(hard)
	if err != nil {
		return fmt.Errorf("limit %q: %w", text, err)
	}
	if s > h {
		return fmt.Errorf("limit %q: the soft limit is above the hard one", text)
	}
	*l = Limit{Soft: s, Hard: h}
	return nil
}

// MarshalText writes what String does.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String is the limit as UnmarshalText reads it, without units.
func (l Limit) String() string {
	if l.Soft == l.Hard {
		return amount(l.Soft)
	}
	return amount(l.Soft) + ":" + amount(l.Hard)
}

func amount(n uint64) string {
	if n == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

var units = []struct {
	suffix string
	factor uint64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

func parseAmount(s string) (uint64, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	factor := uint64(1)
	for _, u := range units {
		if digits, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = digits, u.factor
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf(`want a number, a size such as "512MiB", or "unlimited"`)
	}
	if n > (Unlimited-1)/factor {
		return 0, fmt.Errorf(`too large, say "unlimited"`)
	}
	return n * factor, nil
}
