package output

import (
	"errors"
	"io/fs"
)

// begin makes the intake, once there is something to be taken.
func (c *Capture) begin() {
	if s := c.store(); s != nil {
		pipe, err := PipeInode(c.pipe)
		if err == nil {
			c.in, err = s.create(c.name, c.address(), pipe, nil)
		}
		if err == nil {
			return
		}
		c.sayWithoutFile(err)
	}
	c.in = newIntake()
}

// store is where the intake has its file, or nil.
func (c *Capture) store() *store {
	if c.name == "" || c.log.files == nil {
		return nil
	}
	return c.log.files.store()
}

// resume goes on with the intake that an earlier supd has left.
func (c *Capture) resume() {
	s := c.store()
	if s == nil {
		return
	}
	await(c.log.files.unsettled[c.name])
	in, err := s.open(c.name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.log.files.sayUnusable(err)
		}
		return
	}
	if pipe, err := PipeInode(c.pipe); err != nil || pipe != in.head.pipe {
		finish(c.log, in) // it is of another worker that had the name
		return
	}
	c.in = in
	if in.log() != c.log.path { // the worker has another log now
		c.moveTo(s)
	}
	c.log.goOn(c)
	if len(c.in.held()) > 0 {
		c.write(0)
	}
}

// moveTo moves what is held into a new file, which names the capture's log.
func (c *Capture) moveTo(s *store) {
	in, err := s.create(c.name, c.address(), c.in.head.pipe, c.in.held())
	if err != nil {
		c.withoutFile(err)
		return
	}
	c.in.close()
	c.in = in
}

// withoutFile goes on in memory only; the disk may be full.
func (c *Capture) withoutFile(why error) {
	if c.in.path == "" {
		return
	}
	c.sayWithoutFile(why)
	in := newIntake()
	n := copy(in.data, c.in.held())
	in.touch(n)
	in.set(state{end: uint32(n)})
	c.in.remove()
	c.in = in
}

func (c *Capture) sayWithoutFile(err error) {
	if log := c.log.logger(); log != nil {
		log.Warn("a worker's output is held in memory only: some of it is lost if supd is killed", "worker", c.name, "error", err)
	}
}

// leaveIntake leaves what is held to the next supd.
func (c *Capture) leaveIntake() {
	if c.in == nil {
		return
	}
	if c.in.path == "" {
		c.flush()
	}
	c.in.close()
}

// finish writes what is held of a worker that is gone.
func finish(l *Log, in *intake) {
	_, fields := parseAddress(in.address())
	(&Capture{log: l, in: in, fields: fields}).flush()
	in.remove()
}
