package api

import (
	"fmt"

	"supd/configs"
)

// AuditConfig lists what of the hardening checklist does not hold for apps, or for all and
// supd itself: what AuditReleases is for releases.
func AuditConfig(c *configs.Config, apps []string) []Finding {
	findings := []Finding{}
	for _, w := range c.Audit(apps...) {
		f := Finding{App: w.App, Path: w.File, Message: w.Msg}
		if w.Line > 0 {
			f.Path = fmt.Sprintf("%s:%d", w.File, w.Line)
		}
		if w.Key != "" {
			f.Message = w.Key + ": " + w.Msg
		}
		findings = append(findings, f)
	}
	return findings
}
