package configs

import "supd/privdrop"

// resources wants this machine to have what the process is to be given. A launch finds that
// out by itself.
func (v *verification) resources(p *Process, account *privdrop.Account) {
	if !v.asks {
		return
	}
	if err := privdrop.CheckCPUs(p.CPUAffinity); err != nil {
		v.fail(p.Name, "cpu_affinity", "%s", err)
	}
	for name, why := range p.Limits.Impossible(v.config.root && account != nil && account.UID != 0) {
		v.fail(p.Name, dotted("limits", name), "%s %s", p.Limits[name], why)
	}
}
