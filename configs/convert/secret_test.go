package convert

import (
	"strings"
	"testing"
)

// TestSecretsInOneArgument: an argument with more secrets than one goes into env_file as a
// whole, as a shell's script may.
func TestSecretsInOneArgument(t *testing.T) {
	p := &process{}
	script := "export SECRET_KEY=abc14; exec /bin/app --api_key=def16"
	got := p.hide([]string{"bash", "-c", script})
	if text := strings.Join(got, " "); strings.Contains(text, "abc14") || strings.Contains(text, "def16") {
		t.Errorf("%q", got)
	}
	if len(p.secrets) != 1 || p.secrets[0].value != script {
		t.Errorf("%+v", p.secrets)
	}
}
