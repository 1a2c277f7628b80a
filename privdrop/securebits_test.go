package privdrop

import "testing"

// The launcher's securebits do not come along, but for those that it has locked.
func TestSecurebits(t *testing.T) {
	const noSetuidFixup, noSetuidFixupLocked, keepCaps = 1 << 2, 1 << 3, 1 << 4
	for _, test := range []struct{ have, want int }{
		{0, secureNoRoot | secureNoRootLocked},
		{noSetuidFixup | keepCaps, secureNoRoot | secureNoRootLocked},
		{noSetuidFixup | noSetuidFixupLocked, secureNoRoot | secureNoRootLocked | noSetuidFixup | noSetuidFixupLocked},
		{noSetuidFixupLocked, secureNoRoot | secureNoRootLocked | noSetuidFixupLocked},
	} {
		h := rootHost()
		h.securebits = test.have
		plan, err := Spec{Argv: []string{"/bin/sh"}, Account: whois()}.plan(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range plan.list {
			if c.name == "securebits" && int(c.args[1]) != test.want {
				t.Errorf("from %#x: %#x, want %#x", test.have, c.args[1], test.want)
			}
		}
	}
}
