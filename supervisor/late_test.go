package supervisor

import (
	"testing"
	"time"

	"supd/privdrop/files"
)

// TestAnswers: who is late is not asked again until it has answered, and two may ask at a time:
// one looks what an apply would change, and another one applies.
func TestAnswers(t *testing.T) {
	s := &Supervisor{}
	asking := func(patience time.Duration) *preparer { return &preparer{Supervisor: s, patience: patience} }
	begun, goOn, answered := make(chan struct{}), make(chan struct{}), make(chan bool)
	go func() {
		answered <- asking(time.Hour).answers("whois", func() {
			close(begun)
			<-goOn
		})
	}()
	<-begun
	if !asking(time.Hour).answers("whois", func() {}) {
		t.Error("who asks beside another one is told that the disk does not answer")
	}
	close(goOn)
	if !<-answered {
		t.Error("it has answered in time")
	}

	hangs := make(chan struct{})
	p := asking(time.Millisecond)
	if p.answers("whois", func() { <-hangs }) || p.patience != files.Impatient {
		t.Error("it has not answered")
	}
	if asking(time.Hour).answers("whois", func() { t.Error("it was asked again") }) {
		t.Error("it has not answered yet")
	}
	if !asking(time.Hour).answers("other", func() {}) {
		t.Error("another one was not asked")
	}
	close(hangs)
	for !asking(time.Hour).answers("whois", func() {}) {
		time.Sleep(time.Millisecond)
	}
}
