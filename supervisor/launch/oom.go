package launch

import (
	"os"
	"strconv"
	"strings"
)

// oomScore is what a process is configured to have, or 0 where supd's own is below:
// what spares supd (OOMScoreAdjust= of its unit) is not to spare every worker.
func oomScore(configured *int) *int {
	if configured != nil {
		return configured
	}
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	own, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil || own >= 0 {
		return nil
	}
	return new(0)
}
