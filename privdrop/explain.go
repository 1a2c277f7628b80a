package privdrop

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// Explain writes the plan, one numbered line a call; calls that differ in one
// number only share a line. Of the environment it writes names, never values.
func (p *Plan) Explain(w io.Writer) error {
	var out strings.Builder
	if p.born > 0 {
		fmt.Fprintf(&out, "%7s  only without clone3(CLONE_INTO_CGROUP):\n", "")
	}
	for i := 0; i < len(p.list); {
		if i > 0 && i == p.born {
			fmt.Fprintf(&out, "%7s  always:\n", "")
		}
		n := p.run(i)
		fmt.Fprintf(&out, "%7s  %s\n", numbers(i, n), p.line(i))
		i += n
	}
	fmt.Fprintf(&out, "environment: %s\n", cmp.Or(strings.Join(p.names, " "), "empty"))
	_, err := io.WriteString(w, out.String())
	return err
}

// run is how many calls, from i on, share a line.
func (p *Plan) run(i int) int {
	n := 1
	for p.list[i].series != "" && i+n < len(p.list) && p.list[i+n].series == p.list[i].series {
		n++
	}
	return n
}

func (p *Plan) line(i int) string {
	c := &p.list[i]
	switch {
	case c.series != "" && c.mayFail != 0:
		return "may fail: " + c.series
	case c.series != "":
		return c.series
	case c.mayFail != 0:
		return "may fail: " + c.text
	case c.want != 0:
		return "must fail with EPERM: " + c.text
	}
	return c.text
}

func numbers(first, n int) string {
	if n == 1 {
		return fmt.Sprint(first + 1)
	}
	return fmt.Sprintf("%d-%d", first+1, first+n)
}
