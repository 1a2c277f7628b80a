package configs

import (
	"fmt"
	"testing"
)

// TestRunTrap: what allow_run means is said, with the users that are meant.
func TestRunTrap(t *testing.T) {
	const web, job = "[process.web]\ncommand = \"true\"\n", "[process.job]\ncommand = \"true\"\nuser = \"games\"\n"
	for _, c := range []struct{ name, daemon, app, want string }{
		{"not set", "", "user = \"nobody\"\noperators = [\"games\"]\n" + web, ""},
		{"nobody named", "", "user = \"nobody\"\nreaders = [\"games\"]\nallow_run = true\n" + web, "apps/app.toml:3: allow_run: nobody is named in operators, here or in [control]"},
		{"operators of the app", "", "user = \"nobody\"\noperators = [\"games\"]\nallow_run = true\n" + web, "apps/app.toml:3: allow_run: operators can run any program as nobody: what"},
		{"operators of all", "[control]\noperators = [\"games\"]\n", "user = \"nobody\"\nallow_run = true\n" + web + job, "operators can run any program as games and nobody: what"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := load(lay(t, map[string]string{"supd.toml": c.daemon, "apps/app.toml": c.app}))
			if err != nil {
				t.Fatal(err)
			}
			want := []string{c.want}
			if c.want == "" {
				want = nil
			}
			got := ""
			for _, w := range config.Traps() {
				got += fmt.Sprintln(w)
			}
			checkWords(t, got, want)
			config.root = false
			if c.want != "" && c.name != "nobody named" {
				checkWords(t, fmt.Sprintln(config.Traps()), []string{"operators can run any program as the user of supd"})
			}
		})
	}
}
