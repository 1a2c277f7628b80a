package output

// MoveTo lets what is read from now on go to another log, soon. An unfinished line ends
// in the one where it has begun.
func (c *Capture) MoveTo(l *Log) {
	c.next.Store(l)
	c.wake()
}

// follow goes over to the log that MoveTo has named last.
func (c *Capture) follow() {
	to := c.next.Swap(nil)
	if to == nil || to == c.log {
		return
	}
	c.flush()
	to.hold()
	c.log.release(false)
	c.log, c.unended = to, false
	if s := c.store(); s != nil && c.in != nil && c.in.path != "" {
		c.moveTo(s)
	}
}
