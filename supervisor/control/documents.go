package control

import (
	"encoding/json"
	"errors"
	"io"
)

// mostAnswer bounds a document that a client reads, far above what supd tells of ten
// thousand workers. Whoever listens on a socket need not be supd, nor root.
const mostAnswer = 256 << 20

var errLongAnswer = errors.New("it is longer than any of supd's")

// documents reads JSON documents, one after the other.
type documents struct {
	from *io.LimitedReader
	json *json.Decoder
	most int64
}

func (c *Client) documents(from io.Reader) *documents {
	limited := &io.LimitedReader{R: from}
	return &documents{limited, json.NewDecoder(limited), c.most}
}

// next reads the next one. io.EOF is that there is none, errLongAnswer that it is too long.
func (d *documents) next(into any) error {
	d.from.N = d.most
	err := d.json.Decode(into)
	if err != nil && d.from.N == 0 {
		return errLongAnswer
	}
	return err
}
