package output

import (
	"bytes"
	"sync/atomic"
)

// matcher gives whole lines to a function, until it is told to stop.
type matcher struct {
	call  func([]byte)
	on    atomic.Bool
	begun []byte // a line that was passed in pieces, up to maxLine of it
}

// pass looks for lines only while somebody waits for one: that costs.
func (m *matcher) pass(data []byte) {
	if !m.on.Load() {
		m.begun = nil
		return
	}
	for line := range bytes.Lines(data) {
		text, ended := bytes.CutSuffix(line, newline)
		if ended && len(m.begun) == 0 {
			m.call(bytes.TrimSuffix(text[:min(len(text), maxLine)], []byte("\r")))
			continue
		}
		m.begun = append(m.begun, text[:min(len(text), maxLine-len(m.begun))]...)
		if ended {
			m.end()
		}
	}
}

// end passes a line that was begun, and is not going to be ended perhaps.
func (m *matcher) end() {
	if len(m.begun) > 0 && m.on.Load() {
		m.call(bytes.TrimSuffix(m.begun, []byte("\r")))
	}
	m.begun = m.begun[:0]
}
