package record

import (
	"reflect"

	"supd/configs"
	"supd/privdrop"
)

// Key is the same for two launches whose workers do not differ. What is zero is
// left out of it: a later version of supd has more settings, and workers for which
// none of them is set are still the same.
func Key(c *configs.Process, account *privdrop.Account, release *configs.Version) string {
	return hashOf(struct {
		Config  configs.Process
		Account *privdrop.Account
		Release *configs.Version
	}{launchKeys(*c), account, release})
}

// SameLaunch reports whether a worker launched by a is what b would launch: the keys
// that only say how supd treats it may differ.
func SameLaunch(a, b *configs.Process) bool {
	return reflect.DeepEqual(launchKeys(*a), launchKeys(*b))
}

// launchKeys is p without the keys that a running worker does not feel: those that
// only say how supd treats it.
func launchKeys(p configs.Process) configs.Process {
	probe := p.Probe()
	p.Server = "" // it is in all that it brings
	p.Line, p.Count, p.After, p.Autostart, p.Strategy = 0, 0, nil, false, ""
	p.Restart, p.SuccessExit, p.Backoff, p.GiveUpAfter = "", nil, configs.Backoff{}, 0
	p.Hooks = configs.Hooks{}
	p.Stop, p.ReloadSignal = nil, 0
	p.Log = p.Log.OfLaunch()
	p.Ready, p.Health = configs.Ready{Notify: p.Ready.Notify}, configs.Health{}
	if probe {
		p.Ready.TCP = "probe"
	}
	return p
}
