package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	p.Line, p.Count, p.After, p.Autostart = 0, 0, nil, false
	p.Restart, p.SuccessExit, p.Backoff, p.GiveUpAfter = "", nil, configs.Backoff{}, 0
	p.Stop, p.Log = nil, configs.Log{}
	p.Ready, p.Health = configs.Ready{Notify: p.Ready.Notify}, configs.Health{}
	if probe {
		p.Ready.TCP = "probe"
	}
	return p
}

func hashOf(v any) string {
	text, err := json.Marshal(v)
	var plain any
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err == nil {
		text, err = json.Marshal(withoutZeros(plain)) // the keys of a map are sorted
	}
	if err != nil {
		panic("record: a configuration that is no JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// withoutZeros takes the zero values out of what JSON was decoded into; nil is what
// has none left.
func withoutZeros(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			if child = withoutZeros(child); child == nil {
				delete(v, name)
			} else {
				v[name] = child
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}
