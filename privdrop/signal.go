package privdrop

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Real-time signals as glibc counts them: it keeps 32 and 33 (signal(7)).
const (
	sigRTMin = 34
	sigRTMax = 64
)

// ParseSignal reads a signal's name or number: "TERM", "SIGTERM", "15",
// "RTMIN+1", "RTMAX-2". Case does not matter.
func ParseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= sigRTMax {
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n, ok := realTime(name); ok {
		return n, nil
	}
	for n := unix.Signal(1); n < 32; n++ {
		if unix.SignalName(n) == "SIG"+name {
			return n, nil
		}
	}
	return 0, fmt.Errorf("signal %q: unknown, want a name or number of signal(7), such as TERM", s)
}

func realTime(name string) (unix.Signal, bool) {
	base, rest := 0, ""
	switch {
	case strings.HasPrefix(name, "RTMIN"):
		base, rest = sigRTMin, name[5:]
	case strings.HasPrefix(name, "RTMAX"):
		base, rest = sigRTMax, name[5:]
	default:
		return 0, false
	}
	if rest == "" {
		return unix.Signal(base), true
	}
	offset, err := strconv.Atoi(rest)
	n := base + offset
	if err != nil || rest[0] >= '0' && rest[0] <= '9' || n < sigRTMin || n > sigRTMax {
		return 0, false
	}
	return unix.Signal(n), true
}

// SignalName is the signal's name with SIG: "SIGTERM", "SIGRTMIN+1"; "signal 33"
// when it has none.
func SignalName(sig unix.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	switch {
	case sig == sigRTMin:
		return "SIGRTMIN"
	case sig > sigRTMin && sig <= sigRTMax:
		return fmt.Sprintf("SIGRTMIN+%d", int(sig)-sigRTMin)
	}
	return fmt.Sprintf("signal %d", int(sig))
}
