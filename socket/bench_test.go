package socket

import "testing"

func BenchmarkOpenUnix(b *testing.B) {
	path := b.TempDir() + "/s"
	for b.Loop() {
		sock, err := Open(Spec{Listen: "unix:" + path})
		if err != nil {
			b.Fatal(err)
		}
		sock.Close()
	}
}

func BenchmarkQueueUnix(b *testing.B) {
	sock, err := Open(Spec{Listen: "unix:" + b.TempDir() + "/s"})
	if err != nil {
		b.Fatal(err)
	}
	defer sock.Close()
	for b.Loop() {
		if _, _, err := sock.Queue(); err != nil {
			b.Fatal(err)
		}
	}
}
