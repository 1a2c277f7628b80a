package privdrop

import "testing"

func BenchmarkPlanOnly(b *testing.B) {
	s := fullSpec("/")
	s.CgroupFD = 0
	s.Capabilities = nil
	s.Argv = []string{"/bin/true"}
	s.Account = nobody(b)
	for range 20 {
		s.Env = append(s.Env, "SUPD_SOMETHING=some value here")
	}
	for b.Loop() {
		if _, err := s.Plan(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHost(b *testing.B) {
	for b.Loop() {
		thisProcess()
	}
}

func BenchmarkLookup(b *testing.B) {
	for b.Loop() {
		Lookup(Identity{User: "nobody"})
	}
}
