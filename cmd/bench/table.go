package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// row is one result. All values are texts with their units.
type row struct {
	what, supd, other, ratio, goal string
}

// line is a row, with the growth of what it costs from one size to the next, if it has
// sizes.
type line struct {
	row
	growth string
}

func (b *bench) add(r row) { b.lines = append(b.lines, line{row: r}) }

func (b *bench) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "\nWHAT\tSUPD\tCOMPARED WITH\tRATIO\tGOAL\tGROWTH")
	for _, r := range b.lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.supd, r.other, r.ratio, r.goal, r.growth)
	}
	return t.Flush()
}

func median[T int64 | float64 | time.Duration](values []T) T { return quantile(values, 0.5) }

// quantile is the value below which the share q of values lies.
func quantile[T int64 | float64 | time.Duration](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// spread is the median, with the least and the greatest value.
func spread(times []time.Duration) string {
	return fmt.Sprintf("%s (%.2f to %.2f)", millis(median(times)), float64(slices.Min(times))/1e6, float64(slices.Max(times))/1e6)
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

func ratio[T int64 | float64 | time.Duration](a, b T) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}
