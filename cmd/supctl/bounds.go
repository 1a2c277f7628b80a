package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// bounds are a range of the Nagios plug-in guidelines, "[@][START:][END]": outside of it,
// or with @ within, is an alert; both ends belong to it. START is 0 where it is left out,
// or without limit ("~"), and END without limit. The zero value never alerts.
type bounds struct {
	text      string
	low, high float64
	within    bool
}

var rangeSyntax = regexp.MustCompile(`^(@?)(?:(~|-?[0-9]+(?:\.[0-9]+)?)?(:))?(-?[0-9]+(?:\.[0-9]+)?)?$`)

func parseBounds(text string) (bounds, error) {
	part := rangeSyntax.FindStringSubmatch(text)
	if part == nil || part[2]+part[3]+part[4] == "" {
		return bounds{}, fmt.Errorf("range %q: want a number, or START:END with any of them left out, such as 10, 10:, ~:10 or @10:20", text)
	}
	b := bounds{text: text, high: math.Inf(1), within: part[1] != ""}
	switch part[2] {
	case "": // 0
	case "~":
		b.low = math.Inf(-1)
	default:
		b.low, _ = strconv.ParseFloat(part[2], 64) // of this form: it fails for what is too large, and is infinite then
	}
	if part[4] != "" {
		b.high, _ = strconv.ParseFloat(part[4], 64)
	}
	if b.low > b.high {
		return bounds{}, fmt.Errorf("range %q: begins after its end", text)
	}
	return b, nil
}

func (b bounds) alerts(value float64) bool {
	inside := b.low <= value && value <= b.high
	return b.text != "" && inside == b.within
}
