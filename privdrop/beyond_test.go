package privdrop

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// withoutCapabilities runs f as root that lacks what settings of a worker take.
func withoutCapabilities(t *testing.T, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, with capabilities to drop")
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := files.OnThreadOfItsOwn(func() error {
		if err := unix.Capget(&header, &data[0]); err != nil {
			return err
		}
		lost := uint32(1<<unix.CAP_SYS_RESOURCE | 1<<unix.CAP_SYS_NICE | 1<<unix.CAP_NET_RAW)
		data[0].Effective &^= lost
		data[0].Permitted &^= lost
		data[0].Inheritable = 0
		if err := unix.Capset(&header, &data[0]); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBeyond: what is said beforehand is what the launch says.
func TestBeyond(t *testing.T) {
	const most = 1 << 40
	var before unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &before)
	if err = errors.Join(err, unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Max: min(before.Max, most)})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_CORE, &before) }) // which may take a capability
	withoutCapabilities(t, func() error {
		for key, of := range map[string]struct {
			spec Spec
			why  string
		}{
			"limits.core":      {Spec{Resources: Resources{Limits: Limits{"core": {Hard: most + 1}}}}, whyNoLimit("core").Error()},
			"nice":             {Spec{Resources: Resources{Nice: new(-20)}}, errTooNice.Error()},
			"oom_score_adjust": {Spec{Resources: Resources{OOMScoreAdjust: new(-1000)}}, errScore.Error()},
			"capabilities":     {Spec{Capabilities: []string{"net_raw", "sys_nice"}}, "capability net_raw: this process does not have it itself"},
			"":                 {Spec{Resources: Resources{Limits: Limits{"core": {}}, Nice: new(19), OOMScoreAdjust: new(1000)}}, ""},
		} {
			all := of.spec.Beyond(of.spec.Capabilities)
			if err := all[key]; key != "" && (len(all) != 1 || err == nil || !strings.HasSuffix(err.Error(), of.why)) {
				t.Errorf("%s: %v, want that %s", key, all, of.why)
			}
			if key == "" && len(all) > 0 {
				t.Errorf("%v", all)
			}
			of.spec.Argv, of.spec.Account = []string{"/bin/true"}, &Account{Name: "nobody", UID: 65534, GID: 65534}
			p, err := of.spec.Start()
			if err == nil {
				p.reap()
				p.Close()
			}
			if said := fmt.Sprint(err); (err != nil) != (key != "") || !strings.Contains(said, of.why) {
				t.Errorf("%s: the launch says %v, want %s", key, err, of.why)
			}
		}
		return nil
	})
}

// TestAdjustIsTakenBack: how low this process may go is tried, and it keeps what it has.
func TestAdjustIsTakenBack(t *testing.T) {
	before, err := os.ReadFile(ownScore)
	if err != nil {
		t.Fatal(err)
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(before)))
	if err != nil || own == OOMScoreAdjustRange.High {
		t.Skipf("%d: cannot be raised: %v", own, err)
	}
	t.Cleanup(func() { os.WriteFile(ownScore, before, 0) })
	raised := strconv.Itoa(own + 1)
	if err := os.WriteFile(ownScore, []byte(raised), 0); err != nil {
		t.Fatal(err)
	}
	if err := mayAdjust(own); err != nil {
		t.Error(err)
	}
	if now, err := os.ReadFile(ownScore); err != nil || strings.TrimSpace(string(now)) != raised {
		t.Errorf("%s is %s now: %v", raised, now, err)
	}
}
