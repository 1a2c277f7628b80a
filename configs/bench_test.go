package configs

import "testing"

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load("examples/supd.toml", Environ(nil), Root(true)); err != nil {
			b.Fatal(err)
		}
	}
}
