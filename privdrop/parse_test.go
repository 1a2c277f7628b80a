package privdrop

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestUmask(t *testing.T) {
	for text, want := range map[string]string{
		"0027": "0027", "27": "0027", "0o027": "0027", "0": "0000", "777": "0777",
		"": "error", "28": "error", "01000": "error", "-1": "error", "0x1": "error",
	} {
		var u Umask
		got := "error"
		if err := u.UnmarshalText([]byte(text)); err == nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestLimit(t *testing.T) {
	for text, want := range map[string]string{
		"4096": "4096", "512MiB": "536870912", "1GB": "1000000000", "2kB": "2000", "7B": "7", "0": "0",
		"unlimited": "unlimited", "1024:4096": "1024:4096", "0:unlimited": "0:unlimited", "1KiB:1024": "1024",
		"": "error", "-1": "error", "1.5GiB": "error", "512MB ": "error", "4096:1024": "error", "unlimited:1": "error",
		"1:2:3": "error", "18446744073709551615": "error", "17179869184GiB": "error", "1M": "error", ":": "error",
	} {
		var l Limit
		got := "error"
		if err := l.UnmarshalText([]byte(text)); err == nil {
			got = l.String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestSignal(t *testing.T) {
	for text, want := range map[string]string{
		"TERM": "SIGTERM", "SIGTERM": "SIGTERM", "sigquit": "SIGQUIT", "15": "SIGTERM", "hup": "SIGHUP",
		"RTMIN": "SIGRTMIN", "RTMIN+1": "SIGRTMIN+1", "SIGRTMAX": "SIGRTMIN+30", "RTMAX-2": "SIGRTMIN+28", "34": "SIGRTMIN", "33": "signal 33",
		"": "error", "0": "error", "65": "error", "-9": "error", "TERMINATE": "error", "RTMIN+31": "error", "RTMIN1": "error", "RTMAX+1": "error", "SIG": "error", "RTMIN+": "error",
	} {
		got := "error"
		if sig, err := ParseSignal(text); err == nil {
			got = SignalName(sig)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestCapabilityNumbers(t *testing.T) {
	want := map[string]int{
		"chown": unix.CAP_CHOWN, "setpcap": unix.CAP_SETPCAP, "net_bind_service": unix.CAP_NET_BIND_SERVICE,
		"sys_admin": unix.CAP_SYS_ADMIN, "setfcap": unix.CAP_SETFCAP, "checkpoint_restore": unix.CAP_CHECKPOINT_RESTORE,
	}
	got := map[string]int{}
	for name := range want {
		got[name], _ = ParseCapability(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(Capabilities()) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d capabilities, x/sys has %d", len(Capabilities()), unix.CAP_LAST_CAP+1)
	}
}

// What is read is written so that it is read as the same.

func FuzzUmask(f *testing.F) {
	f.Add("0027")
	f.Add("0o77")
	f.Fuzz(func(t *testing.T, text string) {
		var u, again Umask
		if u.UnmarshalText([]byte(text)) == nil && (again.UnmarshalText([]byte(u.String())) != nil || again != u) {
			t.Errorf("%q is %s is %s", text, u, again)
		}
	})
}

func FuzzLimit(f *testing.F) {
	f.Add("512MiB")
	f.Add("1024:unlimited")
	f.Fuzz(func(t *testing.T, text string) {
		var l, again Limit
		if l.UnmarshalText([]byte(text)) != nil {
			return
		}
		if l.Soft > l.Hard || again.UnmarshalText([]byte(l.String())) != nil || again != l {
			t.Errorf("%q is %s is %s", text, l, again)
		}
	})
}

func FuzzSignal(f *testing.F) {
	f.Add("TERM")
	f.Add("RTMIN+3")
	f.Add("33")
	f.Fuzz(func(t *testing.T, text string) {
		sig, err := ParseSignal(text)
		if err != nil {
			return
		}
		if sig < 1 || sig > sigRTMax {
			t.Errorf("%q is %d", text, sig)
		}
		if again, err := ParseSignal(SignalName(sig)); again != sig && sig != 32 && sig != 33 {
			t.Errorf("%q is %s is %d, %v", text, SignalName(sig), again, err)
		}
	})
}
