package main

import (
	"io"

	"supd/privdrop/prose"
)

// printable is what a cell or a line can show.
func printable(s string) string { return prose.Line(s) }

// draw writes what supctl itself has composed of colours, movements of the cursor and
// printable text, as it is.
func draw(w io.Writer, text string) error {
	_, err := io.WriteString(asItIs(w), text)
	return err
}

// asItIs is an output for what is not to be changed.
func asItIs(w io.Writer) io.Writer {
	if p, ok := w.(prose.Writer); ok {
		return p.To
	}
	return w
}
