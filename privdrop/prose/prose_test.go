package prose

import (
	"strings"
	"testing"
)

func TestNothingIsObeyed(t *testing.T) {
	const evil = "a\x1b]0;title\a\x1b[31mred\x1b[0m\r\u009b2J\u202eb\tc\nd"
	var b strings.Builder
	if n, err := (Writer{&b}).Write([]byte(evil)); n != len(evil) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if want := "a]0;titlered2Jb\tc\nd"; b.String() != want {
		t.Errorf("%q, want %q", &b, want)
	}
	if got, want := Line(evil), "a]0;titlered2Jb c d"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
