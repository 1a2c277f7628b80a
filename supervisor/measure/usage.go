package measure

import "time"

// Usage is what processes have used since they began. It only grows.
type Usage struct {
	CPU     time.Duration `json:"cpu,omitempty"`
	Read    int64         `json:"read,omitempty"`    // bytes from storage
	Written int64         `json:"written,omitempty"` // bytes towards storage
}

// Plus is what both have used together.
func (u Usage) Plus(v Usage) Usage {
	return Usage{u.CPU + v.CPU, u.Read + v.Read, u.Written + v.Written}
}

// Less is what is left of u without v, in nothing below zero.
func (u Usage) Less(v Usage) Usage {
	return Usage{max(0, u.CPU-v.CPU), max(0, u.Read-v.Read), max(0, u.Written-v.Written)}
}

// Most is the higher of each figure.
func (u Usage) Most(v Usage) Usage {
	return Usage{max(u.CPU, v.CPU), max(u.Read, v.Read), max(u.Written, v.Written)}
}
