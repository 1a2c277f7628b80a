package configs

import (
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// The functions of this file and the next read one value each: what it means,
// and whether it is right. What is wrong with it they report themselves.

func text(in input) (string, bool) {
	if in.Kind != anyText && !in.is(aString) {
		return "", false
	}
	if strings.IndexByte(in.Text, 0) >= 0 {
		in.fail("holds a zero byte, which no system call takes")
		return "", false
	}
	return in.Text, true
}

func filled(in input) (string, bool) {
	s, ok := text(in)
	if ok && s == "" {
		in.fail("is empty; remove it, or say what")
	}
	return s, ok && s != ""
}

func boolean(in input) (bool, bool) {
	if in.Kind == anyText && (in.Text == "true" || in.Text == "false") {
		return in.Text == "true", true
	}
	if in.Kind != aBool {
		in.fail("want true or false, got %s", in.Kind)
	}
	return in.Text == "true", in.Kind == aBool
}

func integer(low, high int) func(input) (int, bool) {
	return func(in input) (int, bool) {
		if !in.is(anInt) {
			return 0, false
		}
		n, err := strconv.ParseInt(in.Text, 0, 64)
		switch {
		case err == nil && n >= int64(low) && n <= int64(high):
			return int(n), true
		case high == math.MaxInt32:
			in.fail("%s: want %d or more", in.Text, low)
		default:
			in.fail("%s: want %d to %d", in.Text, low, high)
		}
		return 0, false
	}
}

func within(r privdrop.Range) func(input) (int, bool) { return integer(r.Low, r.High) }

// count is a number of things, from low on.
func count(low int) func(input) (int, bool) { return integer(low, math.MaxInt32) }

func number(low, high float64) func(input) (float64, bool) {
	return func(in input) (float64, bool) {
		if in.Kind != anInt && in.Kind != aFloat {
			in.fail("want a number, got %s", in.Kind)
			return 0, false
		}
		f, err := strconv.ParseFloat(strings.ReplaceAll(in.Text, "_", ""), 64)
		if err != nil || !(f >= low && f <= high) { // NaN is neither
			in.fail("%s: want %v to %v", in.Text, low, high)
			return 0, false
		}
		return f, true
	}
}

// duration reads Go's form, of at least low.
func duration(low time.Duration) func(input) (time.Duration, bool) {
	return func(in input) (time.Duration, bool) {
		if in.Kind != aString && in.Kind != anyText {
			in.fail(`want a duration such as "30s", got %s`, in.Kind)
			return 0, false
		}
		d, err := time.ParseDuration(in.Text)
		switch {
		case err != nil:
			in.fail(`%q: want a duration such as "30s", "1m30s" or "250ms"`, in.Text)
		case d < low && low > 0:
			in.fail("%q: want more than 0", in.Text)
		case d < low:
			in.fail("%q: want 0 or more", in.Text)
		default:
			return d, true
		}
		return 0, false
	}
}

// positive is the shortest duration above 0.
const positive = time.Nanosecond

// size reads bytes: "10MiB", or a plain number of bytes as a string or integer.
func size(in input) (int64, bool) {
	if in.Kind != aString && in.Kind != anInt {
		in.fail(`want a size such as "10MiB", got %s`, in.Kind)
		return 0, false
	}
	digits, unit := in.Text, int64(1)
	for i, suffix := range []string{"KiB", "MiB", "GiB"} {
		if d, ok := strings.CutSuffix(in.Text, suffix); ok {
			digits, unit = d, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		in.fail(`%q: want a size such as "10MiB" (KiB, MiB, GiB, or a plain number of bytes)`, in.Text)
		return 0, false
	}
	return n * unit, true
}

// mode reads permission bits, octal and in quotes, at least one of them.
func mode(in input) (Mode, bool) {
	if in.Kind == anInt {
		in.fail(`want the mode in quotes: "0660" (TOML reads %s as a decimal number)`, in.Text)
		return 0, false
	}
	s, ok := text(in)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		in.fail(`%q: want permission bits in octal, such as "0660"`, s)
		return 0, false
	}
	return Mode(n), true
}

// absolute reads a path; one that is not absolute is relative to the directory of
// the file it is written in. {app} and {process} are expanded.
func absolute(in input) (string, bool) {
	s, ok := filled(in)
	if !ok {
		return "", false
	}
	if s, ok = in.static(s); !ok {
		return "", false
	}
	switch {
	case filepath.IsAbs(s):
		return filepath.Clean(s), true
	case in.Kind == anyText:
		in.fail("%q: want an absolute path; it is in no file that it could be relative to", s)
		return "", false
	case in.Place.File == "":
		return filepath.Join(in.home, s), true
	}
	return filepath.Join(filepath.Dir(in.Place.File), s), true
}

// one reads one of a few words.
func one[V ~string](of ...V) func(input) (V, bool) {
	return func(in input) (V, bool) {
		words := make([]string, len(of))
		for i, v := range of {
			words[i] = strconv.Quote(string(v))
		}
		want := "want one of " + strings.Join(words, ", ")
		if in.Kind != aString && in.Kind != anyText {
			in.fail("%s, got %s", want, in.Kind)
			return "", false
		}
		s, ok := text(in)
		switch {
		case ok && slices.Contains(of, V(s)):
			return V(s), true
		case ok:
			in.fail("%q: %s", s, want)
		}
		return "", false
	}
}

func signal(in input) (Signal, bool) {
	if in.Kind == anInt {
		in.fail(`want the name of a signal such as "TERM", got a number; they differ between machines`)
		return 0, false
	}
	s, ok := text(in)
	if !ok {
		return 0, false
	}
	if n := unix.SignalNum("SIG" + strings.TrimPrefix(s, "SIG")); n > 0 {
		return n, true
	}
	in.fail(`%q: want the name of a signal such as "TERM"%s`, s, suggest(strings.TrimPrefix(s, "SIG"), stopSignals))
	return 0, false
}

// stopSignals are those that programs are stopped with.
var stopSignals = []string{"TERM", "QUIT", "INT", "HUP", "USR1", "USR2", "WINCH", "ABRT", "ALRM", "KILL"}

// reloadSignal refuses those that no program can act on.
func reloadSignal(in input) (Signal, bool) {
	sig, ok := signal(in)
	if ok && (sig == unix.SIGKILL || sig == unix.SIGSTOP) {
		in.fail("%s: no program can act on it; want one by which it reads its configuration anew, such as HUP", SignalName(sig))
		return 0, false
	}
	return sig, ok
}
