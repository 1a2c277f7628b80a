package configs

import "testing"

// TestScratchIsSetOnce: a variable of scratch is set nowhere else, as far as that is known.
func TestScratchIsSetOnce(t *testing.T) {
	const twice = "is in scratch too, which sets it to a directory of each launch; remove one of the two"
	for _, c := range []struct{ keys, want string }{
		{"env = { A = \"1\", B = \"{env.TMPDIR}\" }\nscratch = [\"TMPDIR\"]\n", ""},
		{"env_inherit = [\"*\"]\nscratch = [\"TMPDIR\"]\n", ""},
		{"env = { TMPDIR = \"1\" }\nscratch = [\"TMPDIR\"]\n", "apps/a.toml:6: process.web.env.TMPDIR: " + twice},
		{"scratch = [\"OF_ALL\"]\n", "apps/a.toml:3: env.OF_ALL: " + twice},
		{"env_inherit = [\"TMPDIR\"]\nscratch = [\"TMPDIR\"]\n", "apps/a.toml:6: process.web.env_inherit: \"TMPDIR\" " + twice},
		{"scratch = \"TMPDIR\"\n", "apps/a.toml:6: process.web.scratch: want an array, got a string"},
	} {
		_, err := load(lay(t, map[string]string{"supd.toml": "", "apps/a.toml": "user = \"nobody\"\n[env]\nOF_ALL = \"1\"\n[process.web]\ncommand = \"x\"\n" + c.keys}))
		if told(err) != c.want {
			t.Errorf("%s: %v, want %q", c.keys, err, c.want)
		}
	}
}
