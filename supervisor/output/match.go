package output

import "bytes"

// pass looks for lines only while somebody waits for one, since that takes time.
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

// end passes on a line that has begun, whether or not its end has come.
func (m *matcher) end() {
	if len(m.begun) > 0 && m.on.Load() {
		m.call(bytes.TrimSuffix(m.begun, []byte("\r")))
	}
	m.begun = m.begun[:0]
}
