package metrics

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// graphite is a carbon, or what speaks its plain text protocol. client_golang has a
// bridge to one; it writes without a deadline, so that a peer that does not read would
// hold it for ever.
type graphite struct {
	address string
	prefix  string // with a dot at its end, or empty
}

func newGraphite(address, prefix, host string) *graphite {
	if prefix = strings.ReplaceAll(prefix, "{host}", string(appendNode(nil, host))); prefix != "" {
		prefix += "."
	}
	return &graphite{address, prefix}
}

// send makes a connection for each push. The protocol has no answer, and the kernel
// takes much for a peer that does not read: so send waits until the peer has closed the
// connection, which carbon and all that were looked at do when they have read the end.
func (g *graphite) send(ctx context.Context, b *batch) error {
	err := g.write(ctx, b)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("it did not take all in time: %w", err)
	}
	return err
}

func (g *graphite) write(ctx context.Context, b *batch) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", g.address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(past) })()
	w := bufio.NewWriterSize(c, 64<<10)
	if err := g.lines(w, b); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	switch n, err := io.Copy(io.Discard, io.LimitReader(c, graphiteAnswer)); {
	case err != nil:
		return err
	case n == graphiteAnswer:
		return errors.New("it answers, which graphite does not; is that another service?")
	default:
		return nil
	}
}

// graphiteAnswer is how much of an answer is read. Graphite has none.
const graphiteAnswer = 4 << 10

// past is a deadline that is over.
var past = time.Unix(1, 0)

// lines writes NAME.LABEL.VALUE… VALUE TIME, with the labels by name, as
// client_golang's bridge does. What is no number is left out.
func (g *graphite) lines(w *bufio.Writer, b *batch) error {
	at := " " + strconv.FormatInt(b.at.Unix(), 10) + "\n"
	var line []byte
	for _, f := range b.families {
		for _, s := range f.samples {
			value := float64(s.Value)
			if math.IsNaN(value) || math.IsInf(value, 0) {
				continue
			}
			line = appendPath(append(line[:0], g.prefix...), s.Metric)
			line = strconv.AppendFloat(append(line, ' '), value, 'f', -1, 64)
			if _, err := w.Write(append(line, at...)); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendPath(line []byte, m model.Metric) []byte {
	line = appendNode(line, string(m[model.MetricNameLabel]))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != model.MetricNameLabel {
			line = appendNode(append(line, '.'), string(name))
			line = appendNode(append(line, '.'), string(m[name]))
		}
	}
	return line
}

// appendNode adds one node of a path: what cannot be in one becomes "_", of several in a
// row one. No node is empty.
func appendNode(line []byte, s string) []byte {
	if s == "" {
		return append(line, '_')
	}
	under := false
	for _, c := range s {
		is := c != ':' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
		switch {
		case !is:
			line = append(line, byte(c))
		case !under:
			line = append(line, '_')
		}
		under = is
	}
	return line
}
